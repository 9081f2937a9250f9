"""A second step at sign-in, links that reset a password, accounts known elsewhere, and teams

The release before goes on with them: to it nobody has a second step or a team.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("users", sa.Column("otp_salt", sa.String(length=43), nullable=True))
    op.add_column("users", sa.Column("otp_step", sa.Integer(), nullable=True))
    op.add_column("users", sa.Column("subject", sa.String(length=300), nullable=True))
    op.create_index(op.f("ix_users_subject"), "users", ["subject"], unique=True)
    op.add_column("links", sa.Column("user_id", sa.Uuid(), nullable=True))
    op.add_column("links", sa.Column("by_user_id", sa.Uuid(), nullable=True))
    op.add_column("tokens", sa.Column("made_by", sa.String(length=254), nullable=True))
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "hash", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "teams",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("name", name=op.f("uq_teams_name")),
    )
    op.create_table(
        "team_users",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_team_users_teams"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_team_users_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("team_id", "user_id", name=op.f("pk_team_users")),
    )
    op.create_table(
        "team_roles",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_team_roles_sites")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_team_roles_teams"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("site_id", "team_id", name=op.f("pk_team_roles")),
    )
