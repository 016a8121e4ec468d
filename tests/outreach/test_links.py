"""What recipients press without a login: unsubscribing, opening, clicking."""

import asyncio
from datetime import timedelta

import pytest

from crm_api.core.clock import now

from ..calling import Api
from .planting import launched, readers
from .postman import Postman

pytestmark = pytest.mark.usefixtures("clean")


async def test_unsubscribing_takes_one_post(api: Api, anonymous: Api, postman: Postman) -> None:
    people = await readers(api, 2)
    made = await launched(api)
    await postman.plan()
    messages = await postman.claim()
    link = messages[0]["unsubscribe_url"].removeprefix("http://crm.test")
    page = await anonymous.client.get(link)
    assert page.status_code == 200
    assert '<form method="post">' in page.text
    customer = messages[0]["customer_id"]
    assert await postman.begin(messages[1:]) == [messages[1]["id"]], "a GET changes nothing"
    done = await anonymous.client.post(link, content="List-Unsubscribe=One-Click")
    assert done.status_code == 200
    again = await anonymous.client.post(link)
    assert again.status_code == 200
    assert await postman.begin(messages[:1]) == []
    events = await api.get(f"/v1/consents?customer_id={customer}")
    assert [event["state"] for event in events["data"]].count("withdrawn") == 1
    for forged in (link[:-1] + ("A" if link[-1] != "A" else "B"), "/p/unsubscribe/x", "/p/unsubscribe/" + "A" * 64):
        assert (await anonymous.client.post(forged)).status_code == 404
    for odd in ("A" * 200, "A" * 3_000, "é", link.rpartition("/")[2] + "A"):
        assert (await anonymous.client.post(f"/p/unsubscribe/{odd}")).status_code == 404
        assert (await anonymous.client.get(f"/p/click/{odd}/1")).status_code == 404
    assert page.headers.get_list("referrer-policy") == ["no-referrer"]
    assert people
    assert made


async def test_pressing_many_times_at_once_is_pressing_once(api: Api, anonymous: Api, postman: Postman) -> None:
    await api.put("/v1/purposes/service", {"label": "Service", "needs_consent": False})
    people = await readers(api, 4, consent=False)
    await launched(api, purpose="service")
    await postman.plan()
    for message in await postman.claim():
        link = message["unsubscribe_url"].removeprefix("http://crm.test")
        answers = await asyncio.gather(*(anonymous.client.post(link) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}
    ledger = (await api.get("/v1/consents"))["data"]
    assert sorted(line["customer_id"] for line in ledger) == sorted(people), "a line each"
    assert {(line["state"], line["purpose"]) for line in ledger} == {("withdrawn", "service")}
    assert len((await api.get(f"/v1/customers/{people[0]}/timeline"))["data"]) == 1


async def test_who_says_no_means_it_after_a_grant_dated_ahead(api: Api, anonymous: Api, postman: Postman) -> None:
    [reader] = await readers(api, 1, consent=False)
    ahead = (now() + timedelta(hours=20)).isoformat()
    wish = {"customer_id": reader, "channel": "email", "purpose": "marketing", "state": "granted", "source": "form"}
    await api.post("/v1/consents", {**wish, "occurred_at": ahead}, expect=201)
    await launched(api)
    await postman.plan()
    [message] = await postman.claim()
    await anonymous.client.post(message["unsubscribe_url"].removeprefix("http://crm.test"))
    assert await postman.begin([message]) == []


async def test_openings_and_clicks_are_touchpoints_once(api: Api, anonymous: Api, postman: Postman) -> None:
    await readers(api, 1)
    await launched(api)
    await postman.plan()
    [message] = await postman.claim()
    await postman.begin([message], [{"number": 4711, "url": "https://shop.example/bikes"}])
    await postman.report([message["id"]])
    for _ in range(2):
        opened = await anonymous.client.get(message["open_url"].removeprefix("http://crm.test"))
        assert opened.headers["content-type"] == "image/gif"
        clicked = await anonymous.client.get(message["click_prefix"].removeprefix("http://crm.test") + "4711")
        assert clicked.headers["location"] == "https://shop.example/bikes"
    other = await anonymous.client.get(message["click_prefix"].removeprefix("http://crm.test") + "4712")
    assert other.status_code == 404
    timeline = await api.get(f"/v1/customers/{message['customer_id']}/timeline")
    assert sorted(row["kind"] for row in timeline["data"]) == [
        "consent.granted", "email.clicked", "email.opened", "email.sent"
    ]  # fmt: skip
