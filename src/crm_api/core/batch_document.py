"""How batch operations look in the OpenAPI document."""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from pydantic import BaseModel
from starlette.responses import Response

from .problems import InvalidRequest, Problem, problems

NDJSON: Final = "application/x-ndjson"
NDJSON_TYPES: Final = frozenset({NDJSON, "application/ndjson", "application/jsonl"})
CSV: Final = "text/csv"
_INTEGER: Final = {"type": "integer", "minimum": 0}


class NdjsonResponse(Response):
    """One JSON document per line."""

    media_type = NDJSON


def documentation(
    model: type[BaseModel], results: Sequence[str], takes_csv: bool, told: Sequence[type[Problem]]
) -> dict[str, Any]:
    """Answer keyword arguments for the route. The model must also be the JSON body of some route, which defines its
    schema.
    """
    return {
        "response_class": NdjsonResponse,
        "responses": {**problems(*told), 200: _answer(results)},
        "openapi_extra": {"requestBody": {"required": True, "content": _bodies(model, takes_csv)}},
    }


def _bodies(model: type[BaseModel], takes_csv: bool) -> dict[str, Any]:
    example = _example(model)
    lines = {
        "itemSchema": {"$ref": f"#/components/schemas/{model.__name__}"},
        "example": orjson.dumps(example).decode() + "\n",
    }
    if not takes_csv:
        return {NDJSON: lines}
    flat = {name: value for name, value in example.items() if isinstance(value, str)}
    table = f"{','.join(flat)}\n{','.join(flat.values())}\n"
    return {NDJSON: lines, CSV: {"schema": {"type": "string"}, "example": table}}


def _example(model: type[BaseModel]) -> dict[str, Any]:
    examples: list[dict[str, Any]] = model.model_json_schema().get("examples", [{}])
    return examples[0]


def _answer(results: Sequence[str]) -> dict[str, Any]:
    counts = ("received", *results, "rejected")
    line = {
        "type": "object",
        "required": ["index", "status"],
        "properties": {
            "index": {**_INTEGER, "description": "Number of the line, from 0; blank lines are not counted"},
            "status": {"type": "integer", "description": "HTTP status this line alone would have had"},
            "problem": {"$ref": "#/components/schemas/ProblemDocument"},
            "result": {"type": "string", "enum": list(results), "description": "With `results=all`"},
            "id": {"type": "string", "format": "uuid", "description": "With `results=all`"},
        },
    }
    summary = {
        "type": "object",
        "required": ["summary"],
        "properties": {
            "summary": {
                "type": "object",
                "required": list(counts),
                "properties": dict.fromkeys(counts, _INTEGER),
                "example": dict.fromkeys(counts, 0) | {"received": 2, results[0]: 1, "rejected": 1},
            }
        },
    }
    problem = InvalidRequest("Field required", errors=[_FINDING]).document()
    wrong = {"index": 1, "status": 422, "problem": problem}
    last = {"summary": dict.fromkeys(counts, 0) | {"received": 2, results[0]: 1, "rejected": 1}}
    return {
        "description": "A line for each problem, in the order of the input, and the summary as the last line",
        "content": {
            NDJSON: {
                "itemSchema": {"oneOf": [line, summary]},
                "example": "".join(orjson.dumps(each).decode() + "\n" for each in (wrong, last)),
            }
        },
    }


_FINDING: Final = {"in": "line", "pointer": "/kind", "code": "missing", "detail": "Field required"}
