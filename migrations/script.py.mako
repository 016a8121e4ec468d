"""${message}."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import prepare

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    prepare(op)
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    prepare(op)
    ${downgrades if downgrades else "pass"}
