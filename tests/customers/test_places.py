"""Where addresses are: told in every way customers are, answered, exported, and asked for by distance."""

import json
from typing import Any

import pytest

from ..calling import Api, problem

BERLIN: dict[str, Any] = {"city": "Berlin", "latitude": 52.520008, "longitude": 13.404954}
POTSDAM: dict[str, Any] = {"city": "Potsdam", "latitude": 52.3906, "longitude": 13.0645}


async def near(api: Api, text: str) -> list[str]:
    """Who is so near, by name."""
    page = await api.post("/v1/customers/search", {"audience": text, "sort": "display_name"}, expect=200)
    return [customer["display_name"] for customer in page["data"]]


async def test_an_address_says_where_it_is(api: Api) -> None:
    ann = await api.post("/v1/customers", {"display_name": "Ann", "addresses": [BERLIN, POTSDAM]}, expect=201)
    assert [(each["latitude"], each["longitude"]) for each in ann["addresses"]] == [
        (52.520008, 13.404954),
        (52.3906, 13.0645),
    ]
    assert (await api.get(f"/v1/customers/{ann['id']}"))["addresses"] == ann["addresses"]
    await api.put("/v1/customers/by/shop/1", {"display_name": "Ben", "addresses": [POTSDAM]}, expect=201)
    await api.post("/v1/customers", {"display_name": "Cem", "addresses": [{"city": "Nowhere"}]}, expect=201)
    assert await near(api, "distance(address, 52.52, 13.405) <= 1 km") == ["Ann"]
    assert await near(api, "distance(address, 52.52, 13.405) <= 28 km") == ["Ann", "Ben"]
    assert await near(api, "distance(address, 52.52, 13.405) > 20 km") == ["Ben"]
    assert await near(api, "not distance(address, 52.52, 13.405) <= 28 km") == ["Cem"]
    await api.patch(f"/v1/customers/{ann['id']}", {"addresses": [POTSDAM]}, expect=200)
    assert await near(api, "distance(address, 52.3906, 13.0645) <= 0 m") == ["Ann", "Ben"]


async def test_six_decimals_are_kept(api: Api) -> None:
    wish = {"display_name": "Ann", "addresses": [{"latitude": 52.12345678, "longitude": -0.00000001}]}
    made = await api.put("/v1/customers/by/shop/1", wish, expect=201)
    assert (made["addresses"][0]["latitude"], made["addresses"][0]["longitude"]) == (52.123457, 0)
    assert (await api.put("/v1/customers/by/shop/1", wish, expect=200))["result"] == "unchanged"


@pytest.mark.parametrize(
    ("address", "pointer", "code"),
    [
        ({"latitude": 90.1, "longitude": 0}, "/addresses/0/latitude", "less-than-equal"),
        ({"latitude": 0, "longitude": -181}, "/addresses/0/longitude", "greater-than-equal"),
        ({"latitude": "52.5", "longitude": 13}, "/addresses/0/latitude", "float-type"),
        ({"latitude": 52.5}, "/addresses/0", "half-a-place"),
    ],
)
async def test_what_is_no_place(api: Api, address: dict[str, Any], pointer: str, code: str) -> None:
    wish = {"display_name": "Ann", "addresses": [address]}
    answer = await api.post("/v1/customers", wish, expect=problem("invalid-request", 422))
    assert [(each["pointer"], each["code"]) for each in answer["errors"]] == [(pointer, code)]


async def test_places_come_in_bulk_and_go_out(api: Api) -> None:
    lines = [
        {
            "display_name": f"C{n:03}",
            "external_ids": [{"system": "shop", "external_id": str(n)}],
            "addresses": [{"country": "DE", "latitude": 50 + n / 1000, "longitude": 10}],
        }
        for n in range(120)  # more than are written one by one
    ]
    body = "\n".join(map(json.dumps, lines))
    ndjson = {"Content-Type": "application/x-ndjson"}
    await api.send("POST", "/v1/customers/batch", content=body, headers=ndjson, expect=200)
    assert len(await near(api, 'distance(address, 50, 10) <= 1 km and country = "DE"')) == 9  # 111 m each
    csv = "system,external_id,display_name,city,latitude,longitude\nshop,0,Zero,Ulm,-48.4,9.99\nshop,x,X,,91,2\n"
    done = await api.send("POST", "/v1/customers/batch", content=csv, headers={"Content-Type": "text/csv"}, expect=200)
    assert '"rejected":1' in done.text and "/addresses/0/latitude" in done.text
    out = await api.send("GET", "/v1/customers?external_id=shop/0", headers={"Accept": "text/csv"}, expect=200)
    header, row = (line.split(",") for line in out.text.splitlines())
    told = dict(zip(header, row, strict=True))
    assert (told["latitude"], told["longitude"], told["city"]) == ("-48.4", "9.99", "Ulm")
    out = await api.send(
        "GET", "/v1/customers?external_id=shop/7", headers={"Accept": "application/x-ndjson"}, expect=200
    )
    assert json.loads(out.text)["addresses"][0]["latitude"] == 50.007


async def test_the_missing_unit_is_named(api: Api) -> None:
    wish = {"definition": "distance(address, 52.52, 13.405) <= 25"}
    refused = await api.post("/v1/segments/preview", wish, expect=problem("invalid-request", 422))
    [error] = refused["errors"]
    assert (error["code"], error["nearest"], error["line"], error["column"]) == ("unit-missing", "km", 1, 39)
    tree = {"distance": "address", "latitude": 52.52, "longitude": 13.405, "lte": 25}
    refused = await api.post("/v1/segments/preview", {"definition": tree}, expect=problem("invalid-request", 422))
    [error] = refused["errors"]
    assert (error["code"], error["nearest"], error["pointer"]) == ("unit-missing", "km", "/definition/lte")
