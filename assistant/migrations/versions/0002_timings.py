"""How long each rail of a check took: JSON, pairs of rail and milliseconds."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("verdicts", sa.Column("timings", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("verdicts", "timings")
