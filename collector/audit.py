"""Who did what: one row for each privileged act, written in the act's own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.schema import audit, new_id

Act = Literal[
    "owner.made",
    "user.added",
    "user.invited",
    "invitation.withdrawn",
    "user.removed",
    "role.changed",
    "signed.in",
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
    "survey.created",
    "survey.replaced",
    "survey.published",
    "survey.paused",
    "survey.archived",
    "survey.restored",
    "survey.cloned",
    "survey.deleted",
    "response.deleted",
    "responses.exported",
    "webhook.added",
    "webhook.removed",
]
SENTENCES: dict[Act, str] = {
    "owner.made": "made the first account",
    "user.added": "added a user",
    "user.invited": "invited a person",
    "invitation.withdrawn": "withdrew an invitation",
    "user.removed": "removed a person",
    "role.changed": "changed a role",
    "signed.in": "signed in",
    "sign.on.joined": "signed in by single sign-on for the first time",
    "password.changed": "changed their password",
    "password.reset": "reset their password by a link",
    "reset.made": "made a link that resets a password",
    "step.on": "turned on the second step of their sign-in",
    "step.off": "turned off the second step of a sign-in",
    "step.recovered": "used a recovery code",
    "team.added": "added a team",
    "team.removed": "removed a team",
    "team.joined": "put a person into a team",
    "team.left": "took a person out of a team",
    "session.ended": "ended a session",
    "sessions.ended": "ended all other sessions",
    "token.added": "added an API token",
    "token.revoked": "revoked an API token",
    "token.taken": "took over an API token",
    "secret.renewed": "went on with a new secret",
    "site.added": "added a site",
    "site.changed": "changed the settings of a site",
    "survey.created": "wrote a survey",
    "survey.replaced": "replaced the draft of a survey",
    "survey.published": "published a survey",
    "survey.paused": "paused a survey",
    "survey.archived": "archived a survey",
    "survey.restored": "brought a survey back",
    "survey.cloned": "copied a survey",
    "survey.deleted": "deleted a survey",
    "response.deleted": "deleted a response",
    "responses.exported": "took all answers of a survey as a file",
    "webhook.added": "added a webhook",
    "webhook.removed": "removed a webhook",
}
"""What an act is called to people, after whose name it stands."""
COMMAND_LINE = "command line"
"""Who it was when someone ran a command on the server."""
LONGEST = 500


@dataclass(frozen=True)
class Entry:
    id: UUID
    at: datetime
    who: str
    act: Act
    subject: str | None


async def record(
    connection: AsyncConnection,
    who: str,
    act: Act,
    subject: str | None = None,
    *,
    now: datetime,
    site_id: UUID | None = None,
) -> None:
    """Note an act; ``subject`` names what it was done to."""
    values = {"who": who, "act": act, "subject": subject and subject[:LONGEST]}
    await connection.execute(insert(audit).values(id=new_id(), at=now, site_id=site_id, **values))


async def list_entries(
    connection: AsyncConnection, *, limit: int, before: UUID | None = None
) -> tuple[Sequence[Entry], UUID | None]:
    """The latest entries, newest first, and what to pass as ``before`` for those that came earlier."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit + 1)
    if before:
        query = query.where(audit.c.id < before)
    rows = (await connection.execute(query)).all()
    found = [Entry(row.id, row.at, row.who, row.act, row.subject) for row in rows[:limit]]
    return found, found[-1].id if len(rows) > limit else None
