"""Tables of access: clients and signing keys."""

from datetime import datetime

from sqlalchemy import ARRAY, CheckConstraint, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.db import Base


class Client(Base):
    """An OAuth client: a partner system, a frontend's server, a worker."""

    __tablename__ = "client"
    __table_args__ = (
        CheckConstraint("(former_secret_hash IS NULL) = (former_secret_until IS NULL)", name="former_secret"),
    )

    client_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    secret_hash: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    former_secret_hash: Mapped[str | None]
    """Of the secret before the last rotation, which is good until then."""
    former_secret_until: Mapped[datetime | None]


class SigningKey(Base):
    """A key access tokens are signed with; the private half is encrypted with the deployment's secret."""

    __tablename__ = "signing_key"

    kid: Mapped[str] = mapped_column(primary_key=True)
    public_jwk: Mapped[str]
    private_jwk_encrypted: Mapped[bytes]
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
