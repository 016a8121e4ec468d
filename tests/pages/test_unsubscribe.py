"""The page behind the link in every message, on a phone: it asks, one tap unsubscribes, and nothing else is loaded."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page

from ..live import Service
from ..outreach.planting import campaign, readers, template
from ..stories.test_campaign import finished

pytestmark = pytest.mark.xdist_group("live")


async def test_one_tap_on_a_phone(tmp_path: Path, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    async with Service(tmp_path) as service, service.caller() as api:
        [reader] = await readers(api, 1)
        made = await campaign(api, await template(api))
        await api.post(f"/v1/campaigns/{made}/launch", {}, expect=200)
        assert (await finished(api, made))["sent"] == 1
        [mail] = (service.folder / "outbox").glob("*.eml")
        link = re.search(r"^List-Unsubscribe: <(.*)>", mail.read_text(), re.MULTILINE)
        assert link is not None
        await page.set_viewport_size({"width": 360, "height": 640})
        await page.goto(link[1])
        assert await page.inner_text("h1") == "Unsubscribe"
        box = await page.locator("button").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert box["height"] >= 44, "large enough for a thumb"
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        consents = await api.get(f"/v1/customers/{reader}/consents")
        assert "withdrawn" not in str(consents), "looking changes nothing"
        await page.click("button")
        assert await page.inner_text("h1") == "You are unsubscribed"
        assert "withdrawn" in str(await api.get(f"/v1/customers/{reader}/consents"))
        assert {url.split("/p/")[0] for url in asked if not url.endswith("favicon.ico")} == {service.base_url}
        await page.goto(link[1][:-2])
        assert await page.inner_text("h1") == "This link is not valid"
