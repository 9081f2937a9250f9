"""Sums that are kept with every answer, what was done with each impression, webhooks and the outbox.

It adds and never takes away: the release before goes on working on these tables.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

COUNTERS = (
    *("impressions", "dismissals", "completed", "comments", "emails", "robots"),
    *(f"score_{score}" for score in range(11)),
)


def upgrade() -> None:
    for table, index in (
        ("impressions", "ix_impressions_site_id_survey_id_shown_at"),
        ("responses", "ix_responses_site_id_visitor_id"),
    ):
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("page_label", sa.String(length=200), nullable=True))
            if table == "impressions":
                batch.add_column(sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True))
            # Nothing reads by this any more, and checking the other on every answer costs more than storing it.
            batch.drop_index(op.f(index))
            batch.drop_constraint(op.f(f"fk_{table}_surveys"), type_="foreignkey")
    op.create_table(
        "rollups",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("dimension", sa.String(length=8), nullable=False),
        sa.Column("survey_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.Column("lane", sa.SmallInteger(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False) for name in COUNTERS),
        sa.PrimaryKeyConstraint("site_id", "dimension", "survey_id", "day", "value", "lane", name=op.f("pk_rollups")),
    )
    op.create_table(
        "pages",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("survey_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "survey_id", "label", name=op.f("pk_pages")),
    )
    op.create_table(
        "webhooks",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_webhooks_sites")),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "jobs",
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_jobs_sites")),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_jobs")),
    )
    waiting = sa.text("status = 'waiting'")
    op.create_index("ix_jobs_waiting", "jobs", ["site_id", "due_at"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_index(op.f("ix_jobs_site_id_target_id_id"), "jobs", ["site_id", "target_id", "id"])
    op.create_index(op.f("ix_jobs_site_id_subject_id"), "jobs", ["site_id", "subject_id"])
    _mark_answered()
    for dimension, value in (
        ("revision", "CAST(revision AS VARCHAR(200))"),
        ("device", "device"),
        ("language", "COALESCE(language, '')"),
        ("page", "''"),
    ):
        _sum_up(dimension, value)


def _mark_answered() -> None:
    op.execute(
        "UPDATE impressions SET answered_at = responses.created_at FROM responses "
        "WHERE responses.site_id = impressions.site_id AND responses.impression_id = impressions.id"
    )


def _sum_up(dimension: str, value: str) -> None:
    """What was answered before there were sums."""
    sqlite = op.get_bind().dialect.name == "sqlite"

    def day(column: str) -> str:
        return f"substr({column}, 1, 10)" if sqlite else f"CAST({column} AT TIME ZONE 'UTC' AS DATE)"

    scores = [f"score_{score}" for score in range(11)]
    responses = ", ".join(
        [
            "0 AS impressions",
            "0 AS dismissals",
            "CASE WHEN complete AND NOT bot THEN 1 ELSE 0 END AS completed",
            "CASE WHEN comment IS NOT NULL AND NOT bot THEN 1 ELSE 0 END AS comments",
            "CASE WHEN email IS NOT NULL AND NOT bot THEN 1 ELSE 0 END AS emails",
            "CASE WHEN bot THEN 1 ELSE 0 END AS robots",
            *(f"CASE WHEN score = {n} AND NOT bot THEN 1 ELSE 0 END AS {name}" for n, name in enumerate(scores)),
        ]
    )
    impressions = ", ".join(["1", "CASE WHEN dismissed_at IS NOT NULL THEN 1 ELSE 0 END", *["0"] * 15])
    names = ", ".join(COUNTERS)
    sums = ", ".join(f"SUM({name})" for name in COUNTERS)
    op.execute(
        f"INSERT INTO rollups (site_id, dimension, survey_id, day, value, lane, {names}) "  # noqa: S608
        f"SELECT site_id, '{dimension}', survey_id, day, value, 0, {sums} FROM ("
        f"SELECT site_id, survey_id, {day('created_at')} AS day, {value} AS value, {responses} FROM responses "
        f"UNION ALL "
        f"SELECT site_id, survey_id, {day('shown_at')}, {value}, {impressions} FROM impressions WHERE NOT bot"
        f") AS counted GROUP BY site_id, survey_id, day, value"
    )
