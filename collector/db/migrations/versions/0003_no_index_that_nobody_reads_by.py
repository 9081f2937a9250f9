"""Impressions are not looked up by their visitor, and keeping that index costs every answer.

It takes nothing away that the release before needs.
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_index(op.f("ix_impressions_site_id_visitor_id"), table_name="impressions")
