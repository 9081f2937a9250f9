"""A secret for each response, the first settings of a site, guesses that all processes count, and who made a token

The release before goes on with them: it makes neither.
"""

from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
NOBODY = UUID(int=0)


def upgrade() -> None:
    for table in ("impressions", "responses"):
        op.add_column(table, sa.Column("secret_hash", sa.String(length=32), nullable=True))
    op.add_column("sites", sa.Column("consent_required", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("sites", sa.Column("kept_parameters", sa.JSON(), server_default="[]", nullable=False))
    op.drop_table("pages")  # the sums of a month tell which pages it names
    _make_guesses_and_makers()
    _make_payloads()


def _make_guesses_and_makers() -> None:
    op.create_table(
        "devices",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_devices_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_devices")),
    )
    op.create_index(op.f("ix_devices_user_id"), "devices", ["user_id"])
    op.create_table(
        "guesses",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("place", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "place", name=op.f("pk_guesses")),
    )
    op.create_index(op.f("ix_guesses_at"), "guesses", ["at"])
    op.create_table(
        "installation",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation")),
    )
    op.add_column("audit", sa.Column("times", sa.Integer(), server_default="1", nullable=False))
    op.add_column("tokens", sa.Column("maker_id", sa.Uuid(), nullable=True))
    op.create_index(op.f("ix_tokens_maker_id"), "tokens", ["maker_id"])
    _find_makers()


def _find_makers() -> None:
    """Of tokens that people made; one whose maker is gone gets a maker who is nobody, so that it opens nothing."""
    tokens = sa.table("tokens", sa.column("made_by", sa.String), sa.column("maker_id", sa.Uuid))
    users = sa.table("users", sa.column("id", sa.Uuid), sa.column("email", sa.String))
    maker = sa.select(users.c.id).where(users.c.email == tokens.c.made_by).scalar_subquery()
    by_people = tokens.c.made_by.is_not(None), tokens.c.made_by != "command line"
    op.execute(sa.update(tokens).where(*by_people).values(maker_id=sa.func.coalesce(maker, NOBODY)))


def _make_payloads() -> None:
    """What several jobs send, kept once."""
    op.add_column("jobs", sa.Column("payload_id", sa.Uuid(), nullable=True))
    op.create_table(
        "payloads",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name="fk_payloads_sites"),
        sa.PrimaryKeyConstraint("site_id", "id", name="pk_payloads"),
    )
    op.create_index("ix_payloads_site_id_subject_id", "payloads", ["site_id", "subject_id"])
