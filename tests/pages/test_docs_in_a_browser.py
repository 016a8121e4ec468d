"""The page of the API docs, in a real browser: everything on it comes from us, and "try it" works with a token."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, Request, async_playwright

from ..live import Service

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page of a browser that was never used before."""
    if BROWSER is None:
        if os.environ.get("CRM_TEST_REQUIRE"):
            pytest.fail("no Chromium; on Debian: apt-get install chromium")
        pytest.skip("no Chromium on this machine")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=BROWSER, args=QUIET)
        yield await browser.new_page()
        await browser.close()


async def test_try_it_works_with_a_token_and_asks_nobody_else(tmp_path: Path, page: Page) -> None:
    asked: list[str] = []
    faults: list[str] = []

    def see(request: Request) -> None:
        asked.append(request.url)

    page.on("request", see)
    page.on("pageerror", lambda error: faults.append(str(error)))
    async with Service(tmp_path) as service:
        await page.goto(f"{service.base_url}/docs")
        await page.click("button.authorize")
        await page.fill("input[id^=client_id]", service.credentials[0])
        await page.fill("input[id^=client_secret]", service.credentials[1])
        await page.click("a:has-text('select all') >> nth=0")
        await page.click(".auth-btn-wrapper button.authorize")
        await page.click(".auth-btn-wrapper button.btn-done")
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
