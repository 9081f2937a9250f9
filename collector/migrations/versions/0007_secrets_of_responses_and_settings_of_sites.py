"""A secret for each response, and the first settings of a site

The release before goes on with them: it makes neither.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for table in ("impressions", "responses"):
        op.add_column(table, sa.Column("secret_hash", sa.String(length=32), nullable=True))
    op.add_column("sites", sa.Column("consent_required", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("sites", sa.Column("kept_parameters", sa.JSON(), server_default="[]", nullable=False))
    op.drop_table("pages")  # the sums of a month tell which pages it names
