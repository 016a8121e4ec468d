"""The one route class: strict JSON in, stored answers out."""

from collections.abc import Awaitable, Callable, Coroutine
from copy import copy
from dataclasses import replace
from typing import Any, cast

from asyncpg import UniqueViolationError
from fastapi import Request
from fastapi._compat import field_annotation_is_sequence
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, create_model
from starlette.responses import Response

from .db import Change, MustBegin, stands_alone
from .idempotency import Replay, in_use, keep
from .json_door import RawJson, admit
from .problems import BodyTooLarge, Problem, UnsupportedMediaType

MERGE_PATCH = "application/merge-patch+json"


class _StrictJson:
    """Stands before a body's type adapter: FastAPI would validate parsed Python objects, which turns `"1"` into 1 and
    `"true"` into True.
    """

    def __init__(self, adapter: TypeAdapter[Any]) -> None:
        self._adapter = adapter

    def validate_python(self, value: Any, **options: Any) -> Any:
        if isinstance(value, RawJson):
            return self._adapter.validate_json(admit(value))
        return self._adapter.validate_python(value, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


class _JsonRequest(Request):
    """A request whose body is bounded while it arrives, and whose JSON passed the door."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            most = self.app.state.settings.max_body_bytes
            parts, size = [], 0
            async for part in self.stream():
                size += len(part)
                if size > most:
                    raise BodyTooLarge(f"at most {most} bytes")
                parts.append(part)
            self._body = b"".join(parts)
        return self._body

    async def json(self) -> Any:
        return RawJson(await self.body())  # admitted when it is validated, which is after the caller is known


class Route(APIRoute):
    """An operation whose JSON body is validated from its bytes, and whose answer is kept when it came with an
    Idempotency-Key.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        options["operation_id"] = options.get("operation_id") or endpoint.__name__
        super().__init__(path, endpoint, **options)
        for field in self.dependant.body_params:
            field._type_adapter = cast(TypeAdapter[Any], _StrictJson(field._type_adapter))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        documented, self.dependant = self.dependant, _read_at_once(self.dependant)
        handle = super().get_route_handler()
        self.dependant = documented
        wants_json = self.body_field is not None

        async def handle_once(request: Request) -> Response:
            request = _JsonRequest(request.scope, request.receive)
            request.state.must_begin = False
            if wants_json:
                _check_content_type(request)
                await request.body()  # FastAPI would turn what this raises into a bare 400
            try:
                try:
                    return await _changed(request, handle)
                except MustBegin:
                    request.state.must_begin = True
                    return await _changed(request, handle)
            except Replay as replay:
                return replay.response

        return handle_once


async def _changed(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Do what is asked, and commit it before the answer leaves. Errors: MustBegin, Replay, Problem."""
    change = request.state.change = Change(request.app.state.database)
    request.state.claim = None
    try:
        async with change:
            response = await handle(request)
            held = request.state.claim
            if held is not None and 200 <= response.status_code < 300:
                keep(change.session, held, response, getattr(request.state, "customer_id", None))
    except Problem as problem:
        if request.state.claim is not None and stands_alone(change.session):
            raise MustBegin from problem  # the key was not looked up yet, and its first answer may have been another
        raise
    except UniqueViolationError as error:
        raise in_use(error) from None
    return response


def _read_at_once(dependant: Dependant) -> Dependant:
    """Answer the dependant for requests: FastAPI looks at each field of a query model anew at each request, which costs
    more than most queries do.

    What is no field it passes on as it came, which is all that has to be done, but for lists, that one value would not
    make. So it is shown a model that has no other fields; the validation stays that of the whole model.
    """
    shown = []
    for field in dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            lists = {
                name: (info.annotation, info)
                for name, info in model.model_fields.items()
                if field_annotation_is_sequence(info.annotation)
            }
            field = copy(field)
            field.field_info = copy(field.field_info)
            field.field_info.annotation = create_model(f"{model.__name__}Lists", **lists)  # type: ignore[call-overload]
        shown.append(field)
    return replace(dependant, query_params=shown)


def _check_content_type(request: Request) -> None:
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    wanted = (MERGE_PATCH, "application/json") if request.method == "PATCH" else ("application/json",)
    if given not in wanted:
        raise UnsupportedMediaType(f"send {' or '.join(wanted)}, not {given or 'a body without Content-Type'}")
