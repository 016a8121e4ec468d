"""The words of the language are all told, each with an example that is one."""

from typing import Any, get_args

import pytest

from crm_api.audience.reference import AGGREGATE_WORDS, CONDITION_WORDS, OPERATOR_WORDS, Word
from crm_api.audience.touchpoint_nodes import OverTouchpoints
from crm_api.audience.tree import _BRANCHES
from crm_api.audience.values import Operator

from ..calling import Api
from .test_parse_text import read


def test_every_word_is_told() -> None:
    assert [word.name for word in OPERATOR_WORDS] == list(get_args(Operator))
    aggregates = {name for name, branch in _BRANCHES.items() if issubclass(branch, OverTouchpoints)}
    assert {word.name for word in AGGREGATE_WORDS} == aggregates
    others = set(_BRANCHES) - aggregates - {"all", "any", "not", "field", "segment"}
    assert {word.name for word in CONDITION_WORDS} == others


@pytest.mark.parametrize("word", [*OPERATOR_WORDS, *AGGREGATE_WORDS, *CONDITION_WORDS], ids=lambda word: word.name)
def test_the_example_of_a_word_has_it(word: Word) -> None:
    assert word.name in read(word.example).model_dump(mode="json", by_alias=True, exclude_unset=True)


async def test_the_catalog_tells_them(api: Api) -> None:
    page = await api.get("/v1/fields?limit=1", expect=200)
    assert [word["name"] for word in page["operators"]] == list(get_args(Operator))
    assert [word["name"] for word in page["conditions"]] == [word.name for word in CONDITION_WORDS]
    told: dict[str, Any] = page["touchpoints"]
    assert {"name": "items.quantity", "type": "number", "label": "Quantity of lines", "unit": None} in told["amounts"]
    assert told["open_fields"] == ["properties.*"]
    fields = {field["name"]: field for field in told["fields"]}
    assert fields["direction"]["choices"] == ["inbound", "outbound"]
    assert "like" in fields["subject"]["operators"] and "gte" in fields["amount"]["operators"]
    assert {"sku", "category", "quantity", "paid"} <= {field["name"] for field in told["line_fields"]}


async def test_every_example_is_taken(api: Api) -> None:
    await api.post("/v1/segments", {"name": "churn-risk", "definition": "age > 1"}, expect=201)
    for word in (*OPERATOR_WORDS, *AGGREGATE_WORDS, *CONDITION_WORDS):
        await api.post("/v1/segments/preview", {"definition": word.example}, expect=200)
