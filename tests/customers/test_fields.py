"""The field catalog, and custom fields: declared, filled, judged."""

from typing import Any

import pytest

from ..calling import Api, problem

COLOR = {"key": "color", "type": "choice", "choices": ["red", "dark green"]}
ALL_TYPES: dict[str, Any] = {"text": "Hé llo", "integer": 7, "number": 1.5, "boolean": False, "date": "2020-02-29"}


async def declare(api: Api, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = await api.post("/v1/fields", fields, expect=201)
    return made


async def test_a_field_is_declared_and_read(api: Api) -> None:
    answer = await api.send("POST", "/v1/fields", COLOR, expect=201)
    made = answer.json()
    assert answer.headers["location"] == "/v1/fields/custom.color"
    assert made | {"name": "custom.color", "label": "Color", "operators": ["eq", "ne", "in", "known"]} == made
    assert await api.get("/v1/fields/custom.color") == made
    await api.post("/v1/fields", {**COLOR, "type": "text", "choices": None}, expect=problem("field-key-taken", 409))


async def test_the_catalog_holds_what_is_built_in_and_what_was_declared(api: Api) -> None:
    await declare(api, **COLOR)
    page = await api.get("/v1/fields")
    by_name = {field["name"]: field for field in page["data"]}
    assert list(by_name) == sorted(by_name)
    assert by_name.keys() >= {"age", "birth_date", "country", "custom.color", "kind", "tags"}
    assert by_name["age"]["unit"] == "years"
    assert by_name["kind"]["choices"] == ["person", "organization"]
    assert by_name["kind"]["version"] is None
    assert page["next_cursor"] is None
    assert [field["name"] for field in (await api.get("/v1/fields?source=custom"))["data"]] == ["custom.color"]
    first = await api.get("/v1/fields?limit=3")
    second = await api.get(f"/v1/fields?limit=200&cursor={first['next_cursor']}")
    assert first["data"] + second["data"] == page["data"]


async def test_choices_are_added_and_never_taken_away(api: Api) -> None:
    await declare(api, **COLOR)
    path = "/v1/fields/custom.color"
    changed = await api.patch(path, {"label": "Colour", "choices": ["blue", "dark green", "red"]}, expect=200)
    assert (changed["label"], changed["version"]) == ("Colour", 2)
    assert await api.patch(path, {"label": "Colour"}) == changed
    assert (await api.patch(path, {"label": None}))["label"] == "Color"
    await api.patch(path, {"choices": ["red"]}, expect=problem("choice-in-use", 409))
    await api.patch(path, {"label": "x"}, headers={"If-Match": '"1"'}, expect=problem("version-mismatch", 412))


async def test_what_cannot_be_changed(api: Api) -> None:
    await declare(api, key="size", type="integer")
    await api.patch("/v1/fields/country", {"label": "x"}, expect=problem("field-built-in", 409))
    await api.patch("/v1/fields/custom.nothing", {"label": "x"}, expect=problem("field-not-declared", 404))
    await api.patch("/v1/fields/custom.size", {"choices": ["1"]}, expect=problem("invalid-request", 422))
    missing = await api.get("/v1/fields/contry", expect=problem("field-not-declared", 404))
    assert "country" in missing["detail"]


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"key": "Color", "type": "text"}, "/key"),
        ({"key": "a b", "type": "text"}, "/key"),
        ({"key": "a", "type": "money"}, "/type"),
        ({"key": "a", "type": "choice"}, ""),
        ({"key": "a", "type": "text", "choices": ["x"]}, ""),
        ({"key": "a", "type": "choice", "choices": ["x", "x"]}, ""),
        ({"key": "a", "type": "choice", "choices": []}, "/choices"),
        ({"key": "a", "type": "text", "colour": 1}, "/colour"),
    ],
)
async def test_wrong_declarations(api: Api, wish: dict[str, Any], pointer: str) -> None:
    refused = await api.post("/v1/fields", wish, expect=problem("invalid-request", 422))
    assert [error["pointer"] for error in refused["errors"]] == [pointer]


async def test_values_of_all_types_come_back_as_they_were(api: Api) -> None:
    for name in ALL_TYPES:
        await declare(api, key=f"a_{name}", type=name)
    values = {f"a_{name}": value for name, value in ALL_TYPES.items()}
    made = await api.post("/v1/customers", {"display_name": "x", "custom_fields": values}, expect=201)
    assert made["custom_fields"] == values
    path = f"/v1/customers/{made['id']}"
    assert await api.get(path) == made
    changed = await api.patch(path, {"custom_fields": {"a_text": None, "a_number": 2}})
    assert changed["custom_fields"] == {name: value for name, value in values.items() if name != "a_text"} | {
        "a_number": 2
    }
    assert (await api.patch(path, {"custom_fields": None}))["custom_fields"] == {}


@pytest.mark.parametrize(
    ("key", "value", "code", "hint"),
    [
        ("b_integer", 1.5, "wrong-type", "whole number"),
        ("b_integer", True, "wrong-type", "whole number"),
        ("b_number", "1", "wrong-type", "a number"),
        ("b_boolean", 0, "wrong-type", "true or false"),
        ("b_date", "2021-02-29", "wrong-type", "YYYY-MM-DD"),
        ("b_date", "20210228", "wrong-type", "YYYY-MM-DD"),
        ("b_text", 1, "wrong-type", "text"),
        ("b_choice", "reed", "unknown-choice", "did you mean red?"),
        ("b_txt", "x", "unknown-field", "did you mean b_text?"),
    ],
)
async def test_values_that_do_not_fit(api: Api, key: str, value: Any, code: str, hint: str) -> None:
    for name in ALL_TYPES:
        await declare(api, key=f"b_{name}", type=name)
    await declare(api, key="b_choice", type="choice", choices=["red", "green"])
    wish = {"display_name": "x", "custom_fields": {key: value}}
    refused = await api.post("/v1/customers", wish, expect=problem("invalid-request", 422))
    assert [(error["pointer"], error["code"]) for error in refused["errors"]] == [(f"/custom_fields/{key}", code)]
    assert hint in refused["detail"]


async def test_a_choice_added_a_moment_ago_is_taken(api: Api) -> None:
    await declare(api, key="c_size", type="choice", choices=["S"])
    await api.post("/v1/customers", {"display_name": "x", "custom_fields": {"c_size": "S"}}, expect=201)
    await api.patch("/v1/fields/custom.c_size", {"choices": ["S", "M"]})
    await api.post("/v1/customers", {"display_name": "x", "custom_fields": {"c_size": "M"}}, expect=201)
