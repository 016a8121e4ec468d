"""The one row of the feed; its events are those of the outbox."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from ..core.db import Base

FEED_ID = 1


class EventFeed(Base):
    """How far positions were given, and up to where events were dropped."""

    __tablename__ = "event_feed"
    __table_args__ = (
        CheckConstraint("id = 1", name="one"),
        CheckConstraint("0 <= dropped_until AND dropped_until <= last_position", name="order"),
    )

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    last_position: Mapped[int] = mapped_column(BigInteger)
    dropped_until: Mapped[int] = mapped_column(BigInteger)
    placed_at: Mapped[datetime]
