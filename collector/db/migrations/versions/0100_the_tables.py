"""All tables, as they are from here on"""

import sqlalchemy as sa
from alembic import op

revision = "0100"
down_revision = None

ID = sa.Uuid().with_variant(sa.LargeBinary(16), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("who", sa.String(length=254), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=True),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_table(
        "guesses",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("place", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "place", name=op.f("pk_guesses")),
    )
    op.create_index(op.f("ix_guesses_at"), "guesses", ["at"], unique=False)
    op.create_table(
        "impressions",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("survey_number", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("visitor_id", ID, nullable=True),
        sa.Column("shown_at", MOMENT, nullable=False),
        sa.Column("dismissed_at", MOMENT, nullable=True),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.Column("secret_hash", ID, nullable=True),
        sa.Column("contact_id", sa.Integer(), nullable=True),
        sa.Column("invitation_id", sa.Integer(), nullable=True),
        sa.Column("delivery", sa.String(length=8), nullable=True),
        sa.Column("agent", sa.Integer(), nullable=True),
        sa.Column("conversation", sa.String(length=200), nullable=True),
        sa.Column("page", sa.Text(), nullable=True),
        sa.Column("page_label", sa.String(length=200), nullable=True),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("device", sa.String(length=16), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=True),
        sa.Column("system", sa.String(length=64), nullable=True),
        sa.Column("bot", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_impressions")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index(
        "ix_impressions_contact",
        "impressions",
        ["site_id", "contact_id", "shown_at"],
        unique=False,
        sqlite_where=sa.text("contact_id IS NOT NULL"),
        postgresql_where=sa.text("contact_id IS NOT NULL"),
    )
    op.create_index(
        "ix_impressions_invitation",
        "impressions",
        ["site_id", "invitation_id", "shown_at"],
        unique=False,
        sqlite_where=sa.text("invitation_id IS NOT NULL"),
        postgresql_where=sa.text("invitation_id IS NOT NULL"),
    )
    op.create_index("ix_impressions_survey", "impressions", ["site_id", "survey_number"])
    op.create_index(
        "ix_impressions_visitor",
        "impressions",
        ["site_id", "visitor_id"],
        unique=False,
        sqlite_where=sa.text("visitor_id IS NOT NULL"),
        postgresql_where=sa.text("visitor_id IS NOT NULL"),
    )
    op.create_table(
        "installation",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation")),
    )
    op.create_table(
        "jobs",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("target_id", ID, nullable=True),
        sa.Column("subject_id", ID, nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("payload_id", ID, nullable=True),
        sa.Column("dedupe_key", sa.String(length=200), nullable=True),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("lease", ID, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_dedupe",
        "jobs",
        ["site_id", "dedupe_key"],
        unique=True,
        sqlite_where=sa.text("dedupe_key IS NOT NULL AND status = 'waiting'"),
        postgresql_where=sa.text("dedupe_key IS NOT NULL AND status = 'waiting'"),
    )
    op.create_index(
        "ix_jobs_failed",
        "jobs",
        ["site_id", "id"],
        unique=False,
        sqlite_where=sa.text("status = 'failed'"),
        postgresql_where=sa.text("status = 'failed'"),
    )
    op.create_index(
        "ix_jobs_new",
        "jobs",
        ["site_id", "id"],
        unique=False,
        sqlite_where=sa.text("status = 'new'"),
        postgresql_where=sa.text("status = 'new'"),
    )
    op.create_index(
        "ix_jobs_over",
        "jobs",
        ["finished_at"],
        unique=False,
        sqlite_where=sa.text("finished_at IS NOT NULL"),
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_subject",
        "jobs",
        ["site_id", "subject_id"],
        unique=False,
        sqlite_where=sa.text("subject_id IS NOT NULL"),
        postgresql_where=sa.text("subject_id IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_target",
        "jobs",
        ["site_id", "target_id", "id"],
        unique=False,
        sqlite_where=sa.text("target_id IS NOT NULL"),
        postgresql_where=sa.text("target_id IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["site_id", "due_at"],
        unique=False,
        sqlite_where=sa.text("status = 'waiting'"),
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_table(
        "links",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("role", sa.String(length=8), nullable=True),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("by_user_id", ID, nullable=True),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_links")),
    )
    op.create_table(
        "payloads",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_payloads")),
    )
    op.create_index(op.f("ix_payloads_site_id_subject_id"), "payloads", ["site_id", "subject_id"], unique=False)
    op.create_table(
        "responses",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("survey_number", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("impression_id", ID, nullable=True),
        sa.Column("visitor_id", ID, nullable=True),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=True),
        sa.Column("group", sa.String(length=8), nullable=True),
        sa.Column("answers", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("email_verified", sa.Boolean(), nullable=False),
        sa.Column("consent_text", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("secret_hash", ID, nullable=True),
        sa.Column("contact_id", sa.Integer(), nullable=True),
        sa.Column("invitation_id", sa.Integer(), nullable=True),
        sa.Column("delivery", sa.String(length=8), nullable=True),
        sa.Column("agent", sa.Integer(), nullable=True),
        sa.Column("conversation", sa.String(length=200), nullable=True),
        sa.Column("page", sa.Text(), nullable=True),
        sa.Column("page_label", sa.String(length=200), nullable=True),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("device", sa.String(length=16), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=True),
        sa.Column("system", sa.String(length=64), nullable=True),
        sa.Column("bot", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_responses")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index(
        "ix_responses_contact",
        "responses",
        ["site_id", "contact_id", "created_at"],
        unique=False,
        sqlite_where=sa.text("contact_id IS NOT NULL"),
        postgresql_where=sa.text("contact_id IS NOT NULL"),
    )
    op.create_index(
        "ix_responses_invitation",
        "responses",
        ["site_id", "invitation_id", "created_at"],
        unique=False,
        sqlite_where=sa.text("invitation_id IS NOT NULL"),
        postgresql_where=sa.text("invitation_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_responses_site_id_created_at_id"), "responses", ["site_id", "created_at", "id"], unique=False
    )
    op.create_index(
        op.f("ix_responses_site_id_survey_number_created_at_id"),
        "responses",
        ["site_id", "survey_number", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_responses_visitor",
        "responses",
        ["site_id", "visitor_id"],
        unique=False,
        sqlite_where=sa.text("visitor_id IS NOT NULL"),
        postgresql_where=sa.text("visitor_id IS NOT NULL"),
    )
    op.create_table(
        "rollups",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("dimension", sa.String(length=8), nullable=False),
        sa.Column("survey_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.Column("lane", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("impressions", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("dismissals", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("completed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("comments", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("emails", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("robots", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("score_0", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("score_1", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("score_2", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("score_3", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("score_4", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("score_5", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("score_6", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("score_7", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("score_8", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("score_9", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("score_10", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint(
            "site_id", "dimension", "survey_number", "day", "value", "lane", name=op.f("pk_rollups")
        ),
    )
    op.create_table(
        "sites",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("settings", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("surveys_made", sa.Integer(), server_default="0", nullable=False),
        sa.Column("identify_version", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("identify_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sites")),
        sa.UniqueConstraint("key", name=op.f("uq_sites_key")),
        sa.UniqueConstraint("name", name=op.f("uq_sites_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "teams",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("name", name=op.f("uq_teams_name")),
    )
    op.create_table(
        "tokens",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("scope", sa.String(length=8), server_default="write", nullable=False),
        sa.Column("made_by", sa.String(length=254), nullable=True),
        sa.Column("maker_id", ID, nullable=True),
        sa.Column("seen_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
        sa.UniqueConstraint("name", name=op.f("uq_tokens_name")),
    )
    op.create_index(op.f("ix_tokens_maker_id"), "tokens", ["maker_id"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", ID, nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("role", sa.String(length=8), nullable=True),
        sa.Column("otp_salt", sa.String(length=43), nullable=True),
        sa.Column("otp_step", sa.Integer(), nullable=True),
        sa.Column("subject", sa.String(length=300), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_index(op.f("ix_users_subject"), "users", ["subject"], unique=True)
    op.create_table(
        "devices",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_devices_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_devices")),
    )
    op.create_index(op.f("ix_devices_user_id"), "devices", ["user_id"], unique=False)
    op.create_table(
        "members",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_members_sites")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_members_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("site_id", "user_id", name=op.f("pk_members")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "hash", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "sessions",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=True),
        sa.Column("browser", sa.String(length=64), nullable=True),
        sa.Column("system", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    op.create_table(
        "surveys",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_surveys_sites")),
        sa.PrimaryKeyConstraint("site_id", "number", name=op.f("pk_surveys")),
        sa.UniqueConstraint("site_id", "id", name=op.f("uq_surveys_site_id_id")),
        sa.UniqueConstraint("site_id", "key", name=op.f("uq_surveys_site_id_key")),
        sa.UniqueConstraint("site_id", "name", name=op.f("uq_surveys_site_id_name")),
    )
    op.create_table(
        "team_roles",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("team_id", ID, nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_team_roles_sites")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_team_roles_teams"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("site_id", "team_id", name=op.f("pk_team_roles")),
    )
    op.create_table(
        "team_users",
        sa.Column("team_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_team_users_teams"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_team_users_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("team_id", "user_id", name=op.f("pk_team_users")),
    )
    op.create_table(
        "webhooks",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("secret_version", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("secret_until", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_webhooks_sites")),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "revisions",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("survey_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("published_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id", "survey_number"], ["surveys.site_id", "surveys.number"], name=op.f("fk_revisions_surveys")
        ),
        sa.PrimaryKeyConstraint("site_id", "survey_number", "number", name=op.f("pk_revisions")),
    )
