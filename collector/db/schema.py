"""All tables. What a database adds of its own (partitions, an index's condition) stands in the migrations: an option of
PostgreSQL's here would load its dialect with every start.

Primary keys are ``(site_id, id)`` with UUIDv7 made in the program, and every unique key and query of what belongs to a
site carries ``site_id``, so that a cluster can shard by site. People who sign in, their sessions and API tokens belong
to the installation and have an ``id`` alone.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_chances: list[int] = []
"""The lower 80 bits of ids to come: asking the system for the random ones all at once costs as much as for one."""
_CHANCE = (1 << 76) - 1 & ~(3 << 62)
_MARKS = 7 << 76 | 2 << 62
"""Version 7, and the variant of RFC 9562."""
os.register_at_fork(after_in_child=_chances.clear)


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then random bits, so that rows of one time lie together."""
    return UUID(new_hex_id())


def new_hex_id() -> str:
    """A `new_id` in hex without dashes, a quarter of the work."""
    if not _chances:
        drawn = os.urandom(10 * 200)
        _chances.extend(
            int.from_bytes(drawn[start : start + 10]) & _CHANCE | _MARKS for start in range(0, len(drawn), 10)
        )
    return "%032x" % (time.time_ns() // 1_000_000 << 80 | _chances.pop())


class Instant(TypeDecorator[datetime]):
    """An aware moment in UTC on every database; SQLite alone would hand back naive ones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def moment(value: datetime) -> str:
    """A moment as it is written everywhere: RFC 3339 in UTC, to the millisecond."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
    Column("id", Uuid, primary_key=True),
    Column("key", String(32), nullable=False, unique=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    # every visitor must have agreed before a survey shows, whatever a tag says
    Column("consent_required", Boolean, nullable=False, server_default=false()),
    # the query parameters that are stored with a page's address; all others are dropped
    Column("kept_parameters", JSON, nullable=False, server_default="[]"),
)

surveys = Table(
    "surveys",
    metadata,
    Column("site_id", Uuid, ForeignKey("sites.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("key", String(16), nullable=False),
    Column("name", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("document", JSON, nullable=False),
    Column("revision", Integer, nullable=True),  # the live one; null until the first publish
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("site_id", "key"),
    UniqueConstraint("site_id", "name"),
)

revisions = Table(
    "revisions",
    metadata,
    Column("site_id", Uuid, primary_key=True),
    Column("survey_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("document", JSON, nullable=False),
    Column("published_at", Instant, nullable=False),
    ForeignKeyConstraint(["site_id", "survey_id"], ["surveys.site_id", "surveys.id"]),
)

# What is known of where and how something was shown or answered; the same on impressions and responses.


def _circumstances() -> list[Column[Any]]:
    return [
        Column("page", Text, nullable=True),
        Column("page_label", String(200), nullable=True),  # what the results count the page as
        Column("language", String(35), nullable=True),
        Column("device", String(16), nullable=False),
        Column("browser", String(64), nullable=True),
        Column("system", String(64), nullable=True),
        Column("bot", Boolean, nullable=False),
    ]


# What comes with every answer has no foreign keys: checking them costs more than storing the answer, and a survey that
# was published once is never removed.

# The ledger of the web: what each visitor was shown, and what they did with it.
impressions = Table(
    "impressions",
    metadata,
    Column("site_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("survey_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("visitor_id", Uuid, nullable=True),
    Column("shown_at", Instant, nullable=False),
    Column("dismissed_at", Instant, nullable=True),
    Column("answered_at", Instant, nullable=True),
    Column("secret_hash", String(32), nullable=True),  # of the secret of the browser that it was shown in
    *_circumstances(),
)

responses = Table(
    "responses",
    metadata,
    Column("site_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("survey_id", Uuid, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("impression_id", Uuid, nullable=True),
    Column("visitor_id", Uuid, nullable=True),
    Column("state", Integer, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("score", SmallInteger, nullable=False),
    Column("group", String(8), nullable=False),
    Column("comment", Text, nullable=True),
    Column("email", String(254), nullable=True),
    Column("email_verified", Boolean, nullable=False),
    Column("consent_text", Text, nullable=True),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("secret_hash", String(32), nullable=True),  # of the secret of the browser that sent it
    *_circumstances(),
    Index(None, "site_id", "created_at", "id"),
    Index(None, "site_id", "survey_id", "created_at", "id"),
)

PARTITIONED = (impressions, responses)
"""On PostgreSQL by month: ids are UUIDv7, so a range of ids is a span of time, and an id stays unique over all."""

COUNTERS = ("impressions", "dismissals", "completed", "comments", "emails", "robots")
HIGHEST_SCORE = 10
SCORE_COUNTERS = tuple(f"score_{score}" for score in range(HIGHEST_SCORE + 1))


def _counter(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


# Sums that are kept with every answer, so that no figure ever scans responses. A row is one day (UTC) of a survey at
# one value of one dimension; processes that write at the same time add to lanes of their own.
rollups = Table(
    "rollups",
    metadata,
    Column("site_id", Uuid, primary_key=True),
    Column("dimension", String(8), primary_key=True),
    Column("survey_id", Uuid, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("value", String(200), primary_key=True),
    Column("lane", SmallInteger, primary_key=True, autoincrement=False),
    *map(_counter, COUNTERS),
    *map(_counter, SCORE_COUNTERS),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("site_id", Uuid, ForeignKey("sites.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("url", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# The outbox: what must happen because of something that was stored, written in the same transaction.
jobs = Table(
    "jobs",
    metadata,
    Column("site_id", Uuid, ForeignKey("sites.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("target_id", Uuid, nullable=True),  # the webhook
    Column("subject_id", Uuid, nullable=True),  # the response
    Column("payload", Text, nullable=False),
    Column("payload_id", Uuid, nullable=True),  # where it stands, if several jobs have the same one
    Column("status", String(8), nullable=False),  # waiting, done or failed
    Column("attempts", SmallInteger, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("lease", Uuid, nullable=True),  # who is at it until due_at
    Column("reason", Text, nullable=True),  # why the last try failed
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant, nullable=True),
    Index(
        "ix_jobs_waiting",
        "site_id",
        "due_at",
        sqlite_where=text("status = 'waiting'"),
    ),
    Index(None, "site_id", "target_id", "id"),
    Index(None, "site_id", "subject_id"),
)

# What several jobs send, kept once.
payloads = Table(
    "payloads",
    metadata,
    Column("site_id", Uuid, ForeignKey("sites.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("subject_id", Uuid, nullable=False),  # the response
    Column("body", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "site_id", "subject_id"),
)

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
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
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("hash", String(64), primary_key=True),
)

# What someone may do on one site.
members = Table(
    "members",
    metadata,
    Column("site_id", Uuid, ForeignKey("sites.id"), primary_key=True),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(8), nullable=False),
)

teams = Table(
    "teams",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
)

team_users = Table(
    "team_users",
    metadata,
    Column("team_id", Uuid, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
)

# What everybody in a team may do on one site.
team_roles = Table(
    "team_roles",
    metadata,
    Column("site_id", Uuid, ForeignKey("sites.id"), primary_key=True),
    Column("team_id", Uuid, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(8), nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
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
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
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
    Column("site_id", Uuid, nullable=True),
    Column("role", String(8), nullable=True),
    Column("user_id", Uuid, nullable=True),  # whom it is for, who has an account
    Column("by_user_id", Uuid, nullable=True),  # who made it
)

# Who did what. People and what they did it to are written as they were called then: either may be gone by now.
audit = Table(
    "audit",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("site_id", Uuid, nullable=True),  # nothing where it concerns the installation
    Column("who", String(254), nullable=False),
    Column("act", String(32), nullable=False),
    Column("subject", String(500), nullable=True),
    Column("times", Integer, nullable=False, server_default="1"),  # where a row stands for several within a while
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("site_id", Uuid, nullable=True),  # nothing where it is good for every site
    Column("scope", String(8), nullable=False, server_default="write"),
    Column("made_by", String(254), nullable=True),  # as they were called then
    Column("maker_id", Uuid, nullable=True, index=True),  # whose rights bound it; nothing for the command line
    Column("seen_at", Instant, nullable=True),
)
