"""The page of the API docs, in a real browser: everything on it comes from us, and "try it" works with a token."""

from pathlib import Path

from playwright.async_api import Page, Request

from ..live import Service


async def test_try_it_works_with_a_token_and_asks_nobody_else(tmp_path: Path, page: Page) -> None:
    asked: list[str] = []
    faults: list[str] = []

    def see(request: Request) -> None:
        asked.append(request.url)

    page.on("request", see)
    page.on("pageerror", lambda error: faults.append(str(error)))
    async with Service(tmp_path) as service:
        await page.goto(f"{service.base_url}/docs")
        await page.wait_for_selector("#operations-tag-Workers")  # the resources are there without scrolling
        await page.click("button.authorize")
        await page.fill("input[id^=client_id]", service.credentials[0])
        await page.fill("input[id^=client_secret]", service.credentials[1])
        await page.click("a:has-text('select all') >> nth=0")
        await page.click(".auth-btn-wrapper button.authorize")
        await page.click(".auth-btn-wrapper button.btn-done")
        await page.click("#operations-tag-Jobs")
        await page.click("#operations-Jobs-list_jobs .opblock-summary-control")
        await page.click("#operations-Jobs-list_jobs button.execute")
        status = await page.inner_text(
            "#operations-Jobs-list_jobs .live-responses-table .response .response-col_status"
        )
        assert status.split()[0] == "200"
        shown = await page.inner_text("#operations-Jobs-list_jobs .live-responses-table .highlight-code >> nth=0")
        assert '"next_cursor"' in shown
        await page.goto(f"{service.base_url}/docs/problems/insufficient-scope")
        assert await page.inner_text("h1") == "The token lacks a scope"
    assert asked
    assert [url for url in asked if not url.startswith((service.base_url, "data:"))] == []
    assert faults == []
