"""${message}

Version ${up_revision}, after ${down_revision or "nothing" | comma,n}; written ${create_date.strftime("%Y-%m-%d %H:%M")} UTC.

Names have no schema: the search path is that of the run's new tables, or of the live ones.
"""

import sqlalchemy as sa
from alembic import op

from cutover.schema.written import Written

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    """Make the change."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Take the change back."""
    ${downgrades if downgrades else "pass"}
