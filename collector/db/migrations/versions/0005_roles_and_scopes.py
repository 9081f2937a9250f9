"""Roles of people, scopes of tokens, and invitations

The release before goes on with them: to it everyone may do everything, as before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "members",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_members_sites")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_members_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("site_id", "user_id", name=op.f("pk_members")),
    )
    op.add_column("users", sa.Column("role", sa.String(length=8), nullable=True))
    op.execute("UPDATE users SET role = 'owner'")
    op.add_column("tokens", sa.Column("site_id", sa.Uuid(), nullable=True))
    op.add_column("tokens", sa.Column("scope", sa.String(length=8), server_default="write", nullable=False))
    op.add_column("tokens", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("links", sa.Column("email", sa.String(length=254), nullable=True))
    op.add_column("links", sa.Column("site_id", sa.Uuid(), nullable=True))
    op.add_column("links", sa.Column("role", sa.String(length=8), nullable=True))
