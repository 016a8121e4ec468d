"""What is said of a name that is not known: the nearest one, or all there are."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from crm_api.analytics.run_requests import RunRequest
from crm_api.audience import Audience
from crm_api.core.known_names import explained
from crm_api.customers.schemas import CustomerListParams, CustomerSearch


def told(kind: Any, value: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_json(json.dumps(value))
    [error] = [error for error in refused.value.errors() if error["type"] == "extra_forbidden"]
    return explained(error, kind)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (CustomerSearch, {"audiense": 1}, "audiense is not known here; did you mean audience?"),
        (CustomerListParams, {"limits": 5}, "limits is not known here; did you mean limit?"),
        (Audience, {"all": [{"field": "age", "in_": [1], "eq": 1}]}, "in_ is not known here; did you mean in?"),
        (Audience, {"never": {"touchpoint": "a"}, "gte": 1}, "gte is not known here; known are last, from, until"),
        (
            CustomerSearch, {"audience": {"not": {"never": {"touchpoint": "a", "chanel": "web"}}}},
            "chanel is not known here; known are touchpoint, where, items",
        ),
        (
            RunRequest, {"model": "lifetime_value", "parameters": {"currency": "EUR", "backtest_day": 9}},
            "backtest_day is not known here; did you mean backtest_days?",
        ),
    ],
)  # fmt: skip
def test_the_names_that_could_stand_there_are_told(kind: Any, value: Any, words: str) -> None:
    assert told(kind, value).startswith(words)


def test_a_name_like_none_is_answered_with_all_there_are() -> None:
    class Wish(BaseModel, extra="forbid"):
        code: str = ""
        name: str = ""

    assert told(Wish, {"zzz": 1}) == "zzz is not known here; known are code, name"


def test_a_long_name_is_neither_repeated_nor_searched_for_whole() -> None:
    assert len(told(CustomerSearch, {"x" * 1_000_000: 1})) < 500


def test_other_findings_keep_their_words() -> None:
    assert explained({"type": "missing", "loc": ("a",), "msg": "Field required"}, CustomerSearch) == "Field required"
