"""Who did what: one row for each privileged act, written in the act's own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.ids import new_id
from collector.db.schema import audit
from collector.db.text import storable

Act = Literal[
    "owner.made",
    "user.added",
    "join.link.made",
    "join.link.withdrawn",
    "user.removed",
    "role.changed",
    "signed.in",
    "sign.in.refused",
    "sign.on.joined",
    "password.changed",
    "password.reset",
    "reset.made",
    "step.on",
    "step.off",
    "step.recovered",
    "team.added",
    "team.removed",
    "team.joined",
    "team.left",
    "session.ended",
    "sessions.ended",
    "token.added",
    "token.revoked",
    "token.taken",
    "secret.renewed",
    "site.added",
    "site.changed",
    "site.renamed",
    "identify.renewed",
    "survey.created",
    "survey.replaced",
    "survey.edited",
    "survey.test.link",
    "survey.published",
    "survey.paused",
    "survey.resumed",
    "survey.archived",
    "survey.restored",
    "survey.cloned",
    "survey.deleted",
    "response.deleted",
    "responses.exported",
    "image.added",
    "image.removed",
    "webhook.added",
    "webhook.removed",
    "webhook.renewed",
]
SENTENCES: dict[Act, str] = {
    "owner.made": "created the first account",
    "user.added": "added a user",
    "join.link.made": "invited a user",
    "join.link.withdrawn": "withdrew an invitation",
    "user.removed": "removed a user",
    "role.changed": "changed a role",
    "signed.in": "signed in",
    "sign.in.refused": "failed to sign in",
    "sign.on.joined": "signed in by single sign-on for the first time",
    "password.changed": "changed their password",
    "password.reset": "reset their password",
    "reset.made": "created a password reset link",
    "step.on": "turned on two-factor authentication",
    "step.off": "turned off two-factor authentication",
    "step.recovered": "used a recovery code",
    "team.added": "added a team",
    "team.removed": "removed a team",
    "team.joined": "added a user to a team",
    "team.left": "removed a user from a team",
    "session.ended": "ended a session",
    "sessions.ended": "ended all other sessions",
    "token.added": "created an API token",
    "token.revoked": "revoked an API token",
    "token.taken": "took over an API token",
    "secret.renewed": "replaced the secret",
    "site.added": "added a site",
    "site.changed": "changed the settings of a site",
    "site.renamed": "renamed a site",
    "identify.renewed": "renewed the identify secret",
    "survey.created": "created a survey",
    "survey.replaced": "replaced the draft of a survey",
    "survey.edited": "edited the draft of a survey",
    "survey.test.link": "created a test link",
    "survey.published": "published a survey",
    "survey.paused": "paused a survey",
    "survey.resumed": "resumed a survey",
    "survey.archived": "archived a survey",
    "survey.restored": "restored a survey",
    "survey.cloned": "duplicated a survey",
    "survey.deleted": "deleted a survey",
    "response.deleted": "deleted a response",
    "responses.exported": "exported responses",
    "image.added": "uploaded an image",
    "image.removed": "deleted an image",
    "webhook.added": "added a webhook",
    "webhook.removed": "removed a webhook",
    "webhook.renewed": "renewed the secret of a webhook",
}
"""What an act is called to people, after whose name it stands."""
COMMAND_LINE = "command line"
"""Who it was when someone ran a command on the server."""
LONGEST = 500
TOGETHER = timedelta(minutes=15)
"""What a program or a stranger may do in floods is one row for so long."""


@dataclass(frozen=True)
class Entry:
    """``times`` is more than one where it stands for several within `TOGETHER`; ``at`` is the first of them."""

    id: UUID
    at: datetime
    who: str
    act: Act
    subject: str | None
    times: int


async def record(
    connection: AsyncConnection,
    who: str,
    act: Act,
    subject: str | None = None,
    *,
    now: datetime,
    site_id: int | None = None,
) -> None:
    """Note an act; ``subject`` names what it was done to."""
    values = {"who": storable(who), "act": act, "subject": subject and storable(subject[:LONGEST])}
    await connection.execute(insert(audit).values(id=new_id(), at=now, site_id=site_id, **values))


async def record_often(
    connection: AsyncConnection,
    who: str,
    act: Act,
    subject: str | None = None,
    *,
    now: datetime,
    site_id: int | None = None,
) -> None:
    """Note an act that may come many times: once for all within `TOGETHER`, with how often."""
    begin = UUID(int=int((now - TOGETHER).timestamp() * 1000) << 80)  # ids are in order of time
    same = [audit.c.who == who, audit.c.act == act, audit.c.subject.is_not_distinct_from(subject and subject[:LONGEST])]
    same += [audit.c.site_id.is_not_distinct_from(site_id), audit.c.at > now - TOGETHER]
    query = select(audit.c.id).where(audit.c.id > begin, *same).order_by(audit.c.id.desc()).limit(1)
    earlier = (await connection.execute(query)).scalar_one_or_none()
    if earlier is None:
        await record(connection, who, act, subject, now=now, site_id=site_id)
    else:
        await connection.execute(update(audit).where(audit.c.id == earlier).values(times=audit.c.times + 1))


async def list_entries(
    connection: AsyncConnection, *, limit: int, before: UUID | None = None
) -> tuple[Sequence[Entry], UUID | None]:
    """The latest entries, newest first, and what to pass as ``before`` for those that came earlier."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit + 1)
    if before:
        query = query.where(audit.c.id < before)
    rows = (await connection.execute(query)).all()
    found = [Entry(row.id, row.at, row.who, row.act, row.subject, row.times) for row in rows[:limit]]
    return found, found[-1].id if len(rows) > limit else None
