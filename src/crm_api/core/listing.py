"""A page of a list: the cursor read, the rows cut at the limit, the next page named in body and header."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response

from .paging import Cursors
from .read import answer
from .schemas import ListParams

_OF_THE_PAGE = {"limit", "cursor", "count"}


class Listing:
    """One request for a page; its cursor is good for the same path with the same filter and sort.

    `limit` rows and one more are to be fetched: the one more says that there is a next page.
    """

    def __init__(self, request: Request, params: ListParams) -> None:
        self._cursors: Cursors = request.app.state.cursors
        self._request, self._params = request, params
        self._binding = [request.url.path, params.model_dump(mode="json", exclude=_OF_THE_PAGE)]
        self.limit = params.limit + 1
        self.after: list[Any] | None = (
            None if params.cursor is None else self._cursors.read(self._binding, params.cursor)
        )
        """Values of the sort columns of the last row of the page before."""

    def answer(self, rows: Sequence[Any], behind: Callable[[Any], Sequence[Any]], **members: Any) -> Response:
        """Answer a page; `behind` tells the values of the sort columns of a row, `members` stand beside the data."""
        page = rows[: self.limit - 1]
        if len(rows) < self.limit:
            return answer({"data": page, "next_cursor": None, **members})
        cursor = self._cursors.write(self._binding, behind(page[-1]))
        others = [(name, value) for name, value in self._request.query_params.multi_items() if name != "cursor"]
        link = f'<{self._request.url.path}?{urlencode([*others, ("cursor", cursor)])}>; rel="next"'
        return answer({"data": page, "next_cursor": cursor, **members}, headers={"Link": link})
