"""What callers send and get about templates."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import MISSING, ConfigDict, Field, StringConstraints

from ..core.schemas import Input, Instant, ListParams, NextCursor, Output, Version
from ..customers.schemas import Line
from .bounds import HTML_LONGEST, SUBJECT_LONGEST, TEXT_LONGEST, Code

MOST_PREVIEWED = 20

Channel = Literal["email"]
Subject = Annotated[
    str, StringConstraints(min_length=1, max_length=SUBJECT_LONGEST), Field(description="One line of Liquid")
]
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=TEXT_LONGEST), Field(description="Liquid; comes out as it is")
]
Html = Annotated[
    str,
    StringConstraints(min_length=1, max_length=HTML_LONGEST),
    Field(description="Liquid in HTML; whatever a variable holds is escaped"),
]
TemplateName = Annotated[Line, Field(description="Unique among the templates that are not archived")]

_ID = "0198c5a0-7a01-7c11-8d2e-3f4a5b6c7d8e"
_CUSTOMER = "0198c5a0-6e11-7d20-8b3a-0c9d8e7f6a5b"
_WORDS: dict[str, Any] = {
    "subject": "{{ offer.title }} for you, {{ customer.given_name | default: 'dear customer' }}",
    "text": "{{ offer.body }}\n{{ offer.url }}\n\nNo more of this: {{ unsubscribe_url }}\n",
    "html": "<p>{{ offer.body }} <a href='{{ offer.url }}'>Look</a></p><a href='{{ unsubscribe_url }}'>No more</a>",
}
_EXAMPLE: dict[str, Any] = {"name": "Spring", "channel": "email", **_WORDS}
_READ: dict[str, Any] = {
    "id": _ID,
    **_EXAMPLE,
    "variables": ["customer.given_name", "offer.body", "offer.title", "offer.url", "unsubscribe_url"],
    "version": 1,
    "created_at": "2026-01-31T09:30:00Z",
    "updated_at": "2026-01-31T09:30:00Z",
    "archived_at": None,
}
_PREVIEW: dict[str, Any] = {
    "customer_id": _CUSTOMER,
    "rendered": {"subject": "10 % off for you, Ann", "text": "Only this month.\n", "html": "<p>Only this month.</p>"},
    "refusal": None,
}


class TemplateWish(Input):
    """A template to make."""

    name: TemplateName
    channel: Channel = "email"
    subject: Subject
    text: Text
    html: Html | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class TemplatePatch(Input):
    """A merge patch (RFC 7396): what is left out stays; null takes the HTML away."""

    name: TemplateName | MISSING = MISSING
    subject: Subject | MISSING = MISSING
    text: Text | MISSING = MISSING
    html: Html | MISSING | None = MISSING

    model_config = ConfigDict(json_schema_extra={"examples": [{"subject": "{{ offer.title }}", "html": None}]})


class TemplateRead(Output):
    """A template."""

    id: UUID
    name: str
    channel: Channel
    subject: str
    text: str
    html: str | None
    variables: Annotated[list[str], Field(description="What it names of the customer, the offer, the campaign")]
    version: Version
    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None

    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})


class TemplatePage(Output):
    """A page of templates, in order of their names."""

    data: list[TemplateRead]
    next_cursor: NextCursor

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_READ], "next_cursor": None}]})


class TemplateListParams(ListParams):
    """Which templates to list."""

    name: Annotated[str | None, Field(max_length=200, description="Only those of exactly this name")] = None
    archived: Annotated[bool, Field(description="Archived templates too")] = False


class PreviewWish(Input):
    """For whom to render."""

    customer_ids: Annotated[list[Annotated[UUID, Field(strict=False)]], Field(min_length=1, max_length=MOST_PREVIEWED)]
    offer_id: Annotated[
        Annotated[UUID, Field(strict=False)] | None,
        Field(description="Which offer stands in; needs offers:read. Without one there is no offer"),
    ] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"customer_ids": [_CUSTOMER], "offer_id": None}]})


class UnsavedPreviewWish(PreviewWish):
    """What to render, and for whom."""

    subject: Subject
    text: Text
    html: Html | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"customer_ids": [_CUSTOMER], **_WORDS}]})


class RenderedRead(Output):
    """A message as a customer would get it."""

    subject: str
    text: str
    html: str | None


class RefusalRead(Output):
    """Why a customer would get nothing."""

    code: Code
    part: Annotated[Literal["subject", "text", "html"] | None, Field(description="Part of the template")]
    line: Annotated[int | None, Field(description="Line of the part, counted from 1")]
    detail: str


class PreviewRead(Output):
    """What one customer would get, or why nothing: one of both."""

    customer_id: UUID
    rendered: RenderedRead | None
    refusal: RefusalRead | None


class Preview(Output):
    """What each customer would get, in the order asked for. Nothing was sent or stored."""

    data: list[PreviewRead]

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_PREVIEW]}]})
