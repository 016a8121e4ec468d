"""Keyset pages: a cursor is opaque, signed, and good only for the filter and sort it was made for."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

import orjson

from .problems import InvalidRequest, finding

_SIGNATURE = 12
_ADVICE = "take `next_cursor` of the same list with the same filter and sort, unchanged; or leave it out to begin"


class Cursors:
    """Makes and reads cursors with the deployment's key."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"cursor:" + secret.encode()).digest()

    def write(self, binding: object, values: Sequence[Any]) -> str:
        """Make the cursor that stands behind a row, named by the values of the sort columns."""
        payload = orjson.dumps(list(values), default=str, option=orjson.OPT_UTC_Z)
        return urlsafe_b64encode(self._sign(binding, payload) + payload).rstrip(b"=").decode()

    def read(self, binding: object, cursor: str) -> list[Any]:
        """Read a cursor back. Errors: InvalidRequest when it is damaged, or was made for another list, filter or
        sort.
        """
        try:
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raw = b""
        signature, payload = raw[:_SIGNATURE], raw[_SIGNATURE:]
        if not hmac.compare_digest(signature, self._sign(binding, payload)):
            raise InvalidRequest(
                "The cursor does not belong to this list",
                errors=[finding("/cursor", "invalid-cursor", _ADVICE, part="query")],
            )
        values: list[Any] = orjson.loads(payload)
        return values

    def _sign(self, binding: object, payload: bytes) -> bytes:
        bound = orjson.dumps(binding, default=str, option=orjson.OPT_SORT_KEYS)
        return hmac.digest(self._key, bound + b"\x00" + payload, "sha256")[:_SIGNATURE]
