"""Images that sites upload, and where their tags were seen"""

import sqlalchemy as sa
from alembic import op

revision = "0101"
down_revision = "0100"

MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "images",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("width", sa.SmallInteger(), nullable=False),
        sa.Column("height", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_images_sites")),
        sa.PrimaryKeyConstraint("site_id", "name", name=op.f("pk_images")),
    )
    op.add_column("sites", sa.Column("tag_seen_at", MOMENT, nullable=True))
    op.add_column("sites", sa.Column("tag_seen_on", sa.String(length=255), nullable=True))
