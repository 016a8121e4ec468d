"""Tables of templates."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from ..core.db import Base


class Template(Base):
    """The words of a message, with places for what is the customer's own. A campaign that is launched keeps a copy."""

    __tablename__ = "template"
    __table_args__ = (
        CheckConstraint("channel IN ('email')", name="channel"),
        Index("uq_template_name", "name", unique=True, postgresql_where=sql("archived_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text(collation="C"))
    channel: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    html: Mapped[str | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]
