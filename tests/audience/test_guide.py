"""Every example of docs/audience.md is an audience the service takes; text and tree beside it mean the same."""

import json
import re
from pathlib import Path

import pytest

from ..calling import Api, problem

PAGE = (Path(__file__).parents[2] / "docs" / "audience.md").read_text()
PAIRS = re.findall(r"^```text\n([^`]*?)^```\n```json\n([^`]*?)^```$", PAGE, re.MULTILINE)
LONE = re.findall(r"^```text\n([^`]*?)^```\n(?!```json)", PAGE, re.MULTILINE)


def test_no_example_is_overlooked() -> None:
    assert len(PAIRS) + len(LONE) == PAGE.count("```text") and len(PAIRS) == PAGE.count("```json")


async def test_text_and_tree_mean_the_same(api: Api) -> None:
    await api.post("/v1/fields", {"key": "renews_on", "type": "date"}, expect=201)
    tiers = {"key": "tier", "type": "choice", "choices": ["silver", "gold", "platinum"]}
    await api.post("/v1/fields", tiers, expect=201)
    for text, tree in PAIRS:
        shown = await api.post("/v1/segments/preview", {"definition": text}, expect=200)
        assert shown["definition"] == json.loads(tree), text
        again = await api.post("/v1/segments/preview", {"definition": json.loads(tree)}, expect=200)
        assert (again["definition"], again["definition_text"]) == (shown["definition"], shown["definition_text"])


@pytest.mark.parametrize("text", LONE)
async def test_what_is_shown_as_refused_is_refused(api: Api, text: str) -> None:
    await api.post("/v1/segments/preview", {"definition": text}, expect=problem("invalid-request", 422))


@pytest.mark.parametrize(
    "said",
    [
        *("country", "region", "postal_code", "distance", "age", "birth_date", "display_name", "tags"),
        *("custom.renews_on", "custom.tier", "rfm.", "consents", "household any", "household all", "in_segment"),
        *(
            "count",
            "sum",
            "average",
            "share",
            "first",
            "latest",
            "never",
            "where",
            "with items",
            "last 14 days",
            "from",
        ),
        *("anniversary", "birthday", "within next 30 days", "leap", "like", "between", "known", "has", "in (", "!="),
        *("bucket", "context.page", "context.location", "any(", "not", " or ", " and ", "until"),
    ],
)
def test_what_the_language_must_be_able_to_say_is_shown(said: str) -> None:
    executed = [text for text, _ in PAIRS] + re.findall(r"^```sh\n([^`]*?)^```$", PAGE, re.MULTILINE)
    assert any(said in text for text in executed)
