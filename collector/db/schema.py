"""All tables. What a database adds of its own (partitions, an index's condition) stands in the migrations: an option of
PostgreSQL's here would load its dialect with every start.

Every key and query of what belongs to a site carries ``site_id``, so that a cluster can shard by site. Users, their
sessions and API tokens belong to the installation and have an ``id`` alone.

Keys are narrow, because every answer carries several: a site is a small number that nobody outside sees, a survey a
number within its site beside its public id, and public ids are UUIDv7 in 16 bytes. Moments are whole microseconds on
SQLite.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from collector.db.types import Id, Instant


def _index_of_some(name: str, *columns: str, only: str) -> Index:
    """An index of the rows for which a condition holds."""
    return Index(name, *columns, sqlite_where=text(only))


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

sites = Table(
    "sites",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(32), nullable=False, unique=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("settings", JSON, nullable=False, server_default="{}"),  # what is not at its default: `access.sites`
    Column("surveys_made", Integer, nullable=False, server_default="0"),  # the number of the last survey
    Column("identify_version", SmallInteger, nullable=False, server_default="1"),  # of the secret that is good
    Column("identify_until", Instant, nullable=True),  # until when the one before it is good as well
    Column("tag_seen_at", Instant, nullable=True),  # when a page asked for the script, to the hour
    Column("tag_seen_on", String(255), nullable=True),  # the host of that page
    sqlite_autoincrement=True,  # no number is given twice
)

images = Table(
    "images",
    metadata,
    Column("site_id", Integer, ForeignKey("sites.id"), primary_key=True),
    Column("name", String(32), primary_key=True),  # of what is in it: `surveys.images`
    Column("data", LargeBinary, nullable=False),
    Column("size", Integer, nullable=False),  # bytes of `data`
    Column("width", SmallInteger, nullable=False),
    Column("height", SmallInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
)

surveys = Table(
    "surveys",
    metadata,
    Column("site_id", Integer, ForeignKey("sites.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # within its site; nobody outside sees it
    Column("id", Id, nullable=False),
    Column("key", String(16), nullable=False),
    Column("name", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("document", JSON, nullable=False),
    Column("revision", Integer, nullable=True),  # the live one; null until the first publish
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("site_id", "id"),
    UniqueConstraint("site_id", "key"),
    UniqueConstraint("site_id", "name"),
)

revisions = Table(
    "revisions",
    metadata,
    Column("site_id", Integer, primary_key=True, autoincrement=False),
    Column("survey_number", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("document", JSON, nullable=False),
    Column("published_at", Instant, nullable=False),
    ForeignKeyConstraint(["site_id", "survey_number"], ["surveys.site_id", "surveys.number"]),
)

# What is known of where and how something was shown or answered; the same on impressions and responses.


def _circumstances() -> list[Column[Any]]:
    return [
        Column("contact_id", Integer, nullable=True),  # whom the site knows the visitor as
        Column(
            "invitation_id", Integer, nullable=True
        ),  # what asked them to answer, if they did not come by themselves
        Column("delivery", String(8), nullable=True),  # how it reached them; nothing on a page of the site
        Column("agent", Integer, nullable=True),  # the user whom the contact had to do with
        Column("conversation", String(200), nullable=True),  # in chat
        Column("page", Text, nullable=True),
        Column("page_label", String(200), nullable=True),  # what the results count the page as
        Column("language", String(35), nullable=True),
        Column("device", String(16), nullable=False),
        Column("browser", String(64), nullable=True),
        Column("system", String(64), nullable=True),
        Column("bot", Boolean, nullable=False),
    ]


def _looked_up(table: str, moment: str) -> list[Index]:
    """By whom and what it belongs to, for the rows that have it. A visitor has few, which need no order."""
    return [
        _index_of_some(f"ix_{table}_contact", "site_id", "contact_id", moment, only="contact_id IS NOT NULL"),
        _index_of_some(f"ix_{table}_invitation", "site_id", "invitation_id", moment, only="invitation_id IS NOT NULL"),
        _index_of_some(f"ix_{table}_visitor", "site_id", "visitor_id", only="visitor_id IS NOT NULL"),
    ]


# What comes with every answer has no foreign keys: checking them costs more than storing the answer, and a survey that
# was published once is never removed.

# The ledger of the web: what each visitor was shown, and what they did with it.
impressions = Table(
    "impressions",
    metadata,
    Column("site_id", Integer, primary_key=True, autoincrement=False),
    Column("id", Id, primary_key=True),
    Column("survey_number", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("visitor_id", Id, nullable=True),
    Column("shown_at", Instant, nullable=False),
    Column("dismissed_at", Instant, nullable=True),
    Column("answered_at", Instant, nullable=True),
    Column("secret_hash", Id, nullable=True),  # of the secret of the browser that it was shown in
    *_circumstances(),
    *_looked_up("impressions", "shown_at"),
    Index("ix_impressions_survey", "site_id", "survey_number"),
)

responses = Table(
    "responses",
    metadata,
    Column("site_id", Integer, primary_key=True, autoincrement=False),
    Column("id", Id, primary_key=True),
    Column("survey_number", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("impression_id", Id, nullable=True),
    Column("visitor_id", Id, nullable=True),
    Column("state", Integer, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("score", SmallInteger, nullable=True),  # nothing where only further questions are answered
    Column("group", String(8), nullable=True),
    Column("answers", JSON(none_as_null=True), nullable=True),  # to further questions, by their ids
    Column("comment", Text, nullable=True),
    Column("email", String(254), nullable=True),
    Column("email_verified", Boolean, nullable=False),
    Column("consent_text", Text, nullable=True),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("secret_hash", Id, nullable=True),  # of the secret of the browser that sent it
    *_circumstances(),
    *_looked_up("responses", "created_at"),
    Index(None, "site_id", "created_at", "id"),
    Index(None, "site_id", "survey_number", "created_at", "id"),
)

PARTITIONED = (impressions, responses)
"""On PostgreSQL by month: ids are UUIDv7, so a range of ids is a span of time, and an id stays unique over all."""

COUNTERS = ("impressions", "dismissals", "completed", "comments", "emails", "robots")
HIGHEST_SCORE = 10
SCORE_COUNTERS = tuple(f"score_{score}" for score in range(HIGHEST_SCORE + 1))


def _counter(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


# Sums that are kept with every answer, so that no figure ever scans responses. A row is one day (in the site's time
# zone) of a survey at one value of one dimension; processes that write at the same time add to lanes of their own.
rollups = Table(
    "rollups",
    metadata,
    Column("site_id", Integer, primary_key=True, autoincrement=False),
    Column("dimension", String(8), primary_key=True),
    Column("survey_number", Integer, primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True),
    Column("value", String(200), primary_key=True),
    Column("lane", SmallInteger, primary_key=True, autoincrement=False),
    *map(_counter, COUNTERS),
    *map(_counter, SCORE_COUNTERS),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("site_id", Integer, ForeignKey("sites.id"), primary_key=True),
    Column("id", Id, primary_key=True),
    Column("url", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("secret_version", SmallInteger, nullable=False, server_default="1"),  # of what signs its messages
    Column("secret_until", Instant, nullable=True),  # until when the one before it signs as well
)

# The outbox: what must happen because of something that was stored, written in the same transaction.
jobs = Table(
    "jobs",
    metadata,
    Column("site_id", Integer, primary_key=True, autoincrement=False),
    Column("id", Id, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("target_id", Id, nullable=True),  # the webhook
    Column("subject_id", Id, nullable=True),  # the response
    Column("payload", Text, nullable=False),
    Column("payload_id", Id, nullable=True),  # where it stands, if several jobs have the same one
    Column("dedupe_key", String(200), nullable=True),  # of those that wait, one for each
    Column("status", String(8), nullable=False),  # new until it is known who wants it; waiting, done or failed
    Column("attempts", SmallInteger, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("lease", Id, nullable=True),  # who is at it until due_at
    Column("reason", Text, nullable=True),  # why the last try failed
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant, nullable=True),
    _index_of_some("ix_jobs_new", "site_id", "id", only="status = 'new'"),
    _index_of_some("ix_jobs_waiting", "site_id", "due_at", only="status = 'waiting'"),
    _index_of_some("ix_jobs_failed", "site_id", "id", only="status = 'failed'"),
    Index(
        "ix_jobs_dedupe",
        "site_id",
        "dedupe_key",
        unique=True,
        sqlite_where=text("dedupe_key IS NOT NULL AND status = 'waiting'"),
    ),
    _index_of_some("ix_jobs_over", "finished_at", only="finished_at IS NOT NULL"),
    _index_of_some("ix_jobs_target", "site_id", "target_id", "id", only="target_id IS NOT NULL"),
    _index_of_some("ix_jobs_subject", "site_id", "subject_id", only="subject_id IS NOT NULL"),
)

# What several jobs send, kept once.
payloads = Table(
    "payloads",
    metadata,
    Column("site_id", Integer, primary_key=True, autoincrement=False),
    Column("id", Id, primary_key=True),
    Column("subject_id", Id, nullable=False),  # the response
    Column("body", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "site_id", "subject_id"),
)

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("password_hash", String(200), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("role", String(8), nullable=True),  # on every site; nothing where it differs by site
    Column("otp_salt", String(43), nullable=True),  # what the second step's secret is derived with; nothing without one
    Column("otp_step", Integer, nullable=True),  # of the last code that was used, so that none is used twice
    Column("subject", String(300), nullable=True),  # who it is to the provider of single sign-on
    Index(None, "subject", unique=True),
)

# What stands in for the second step, once each, when the phone is gone.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("hash", String(64), primary_key=True),
)

# What someone may do on one site.
members = Table(
    "members",
    metadata,
    Column("site_id", Integer, ForeignKey("sites.id"), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(8), nullable=False),
)

teams = Table(
    "teams",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
)

team_users = Table(
    "team_users",
    metadata,
    Column("team_id", Id, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
)

# What everybody in a team may do on one site.
team_roles = Table(
    "team_roles",
    metadata,
    Column("site_id", Integer, ForeignKey("sites.id"), primary_key=True),
    Column("team_id", Id, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(8), nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=True),
    Column("browser", String(64), nullable=True),
    Column("system", String(64), nullable=True),
)

# Browsers in which someone has signed in before: others' wrong guesses do not count there.
devices = Table(
    "devices",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

# Wrong guesses at passwords and codes, counted over all processes: as many places a name as it may be guessed at.
guesses = Table(
    "guesses",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("name", String(64), primary_key=True),  # what the installation's secret makes of it
    Column("place", SmallInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False, index=True),
)

# What is true of the whole installation: what tells whether the secret is the one that all of it was made with.
installation = Table(
    "installation",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", String(64), nullable=False),
)

# Secrets that open a page once: the first start's, invitations with what they are for, and resets of a password.
links = Table(
    "links",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("email", String(254), nullable=True),
    Column("site_id", Integer, nullable=True),
    Column("role", String(8), nullable=True),
    Column("user_id", Id, nullable=True),  # whom it is for, who has an account
    Column("by_user_id", Id, nullable=True),  # who made it
)

# Who did what. People and what they did it to are written as they were called then: either may be gone by now.
audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("site_id", Integer, nullable=True),  # nothing where it concerns the installation
    Column("who", String(254), nullable=False),
    Column("act", String(32), nullable=False),
    Column("subject", String(500), nullable=True),
    Column("times", Integer, nullable=False, server_default="1"),  # where a row stands for several within a while
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("site_id", Integer, nullable=True),  # nothing where it is good for every site
    Column("scope", String(8), nullable=False, server_default="write"),
    Column("made_by", String(254), nullable=True),  # as they were called then
    Column("maker_id", Id, nullable=True, index=True),  # whose rights bound it; nothing for the command line
    Column("seen_at", Instant, nullable=True),
)
