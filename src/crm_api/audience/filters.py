"""Audiences in query parameters: the text form, as `filter=`."""

import json
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from ..core.failures import request_findings
from ..core.problems import InvalidRequest
from .tree import Audience, Tree

_WHOLE: Final[TypeAdapter[Audience]] = TypeAdapter(Tree)


def audience_of_filter(text: str) -> Audience:
    """Read the audience that the parameter `filter` is. Errors: InvalidRequest, with line and column."""
    try:
        return _WHOLE.validate_json(json.dumps(text))
    except ValidationError as wrong:
        errors: Any = [{**each, "loc": ("query", "filter")} for each in wrong.errors(include_url=False)]
        found = request_findings(errors, None)
        raise InvalidRequest(found[0]["detail"], errors=found) from None
