"""Takes events in: idempotent, one transaction for all that came together.

The id comes from the browser, so sending again changes nothing. One event that is wrong never costs its neighbours:
each is stored or refused by itself, and a refusal is final.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.devices import Device
from collector.errors import Conflict, Fault, Invalid, NotFound, Problem
from collector.metrics import group_of, scores
from collector.responses.events import Dismissal, Envelope, Impression, Response, read_event
from collector.schema import impressions, new_id, responses
from collector.signing import Signing
from collector.surveys.lifecycle import Revision, get_revision


@dataclass(frozen=True)
class Receipt:
    """``stored`` are the ids that are on disk once the transaction is; ``refused`` holds the problem of each other
    event, by its id, or by its place where it has none.

    ``visitor`` is the token that the browser is to keep, None if it already has a good one or wants none.
    """

    stored: list[str]
    refused: dict[str, Problem]
    visitor: str | None


async def take_in(
    connection: AsyncConnection,
    signing: Signing,
    site_id: UUID,
    envelope: Envelope,
    device: Device,
    *,
    now: datetime,
) -> Receipt:
    """Store what is right of an envelope. Raises the problem itself when nothing of it could be stored."""
    visitor = None if envelope.anonymous else _known_visitor(signing, site_id, envelope)
    sender = _Sender(site_id, visitor, envelope, signing, device, now)
    stored: list[str] = []
    refused: dict[str, Problem] = {}
    for index, value in enumerate(envelope.events):
        at = f"/events/{index}"
        name = at
        try:
            event = read_event(value, at)
            name = str(event.id)
            await _store(connection, sender, event, at)
        except Problem as problem:
            refused[name] = problem
        else:
            stored.append(name)
    if not stored:
        raise next(iter(refused.values()))
    known = envelope.anonymous or (visitor is not None and visitor == sender.visitor)
    token = None if known or sender.visitor is None else signing.visitor_token(site_id, sender.visitor)
    return Receipt(stored, refused, token)


class _Sender:
    """Who sent an envelope, and with what."""

    def __init__(
        self,
        site_id: UUID,
        visitor: UUID | None,
        envelope: Envelope,
        signing: Signing,
        device: Device,
        now: datetime,
    ) -> None:
        self.site_id = site_id
        self.visitor = visitor
        self.anonymous = envelope.anonymous
        self.device = device
        self.now = now
        self._signing = signing

    def person(self, event: Response) -> dict[str, Any]:
        """Whom the page said the visitor was as they answered; nothing if it said nothing."""
        claim = None if self.anonymous else event.identity
        if claim is None:
            return {}
        verified = self._signing.is_identity(self.site_id, claim.email, claim.signature)
        return {"email": claim.email, "email_verified": verified}

    def ensure_visitor(self) -> UUID | None:
        """The visitor's id, made now if this browser has none; None for one who wants none."""
        if self.visitor is None and not self.anonymous:
            self.visitor = new_id()
        return self.visitor

    def circumstances(self, event: Impression | Dismissal | Response) -> dict[str, Any]:
        kind = "tablet" if event.touch and self.device.system == "Mac OS X" else self.device.kind  # an iPad says Mac
        return {
            "page": event.page,
            "language": event.language,
            "device": kind,
            "browser": self.device.browser,
            "system": self.device.system,
            "bot": self.device.robot or event.automated,
        }


def _known_visitor(signing: Signing, site_id: UUID, envelope: Envelope) -> UUID | None:
    return signing.read_visitor(site_id, envelope.visitor) if isinstance(envelope.visitor, str) else None


async def _store(
    connection: AsyncConnection, sender: _Sender, event: Impression | Dismissal | Response, at: str
) -> None:
    try:
        revision = await get_revision(connection, sender.site_id, event.survey, event.revision)
    except NotFound:
        raise NotFound(faults=[Fault(f"{at}/survey", "names no published survey of this site")]) from None
    if revision.status == "archived":
        raise Conflict("This survey is closed.", faults=[Fault(f"{at}/survey", "takes no more answers")])
    if isinstance(event, Impression):
        await _store_impression(connection, sender, event, revision)
    elif isinstance(event, Dismissal):
        await _store_dismissal(connection, sender, event, revision, at)
    else:
        await _store_response(connection, sender, event, revision, at)


async def _find(connection: AsyncConnection, table: Any, site_id: UUID, row_id: UUID | None) -> Row[Any] | None:
    if row_id is None:
        return None
    query = select(table).where(table.c.site_id == site_id, table.c.id == row_id)
    row: Row[Any] | None = (await connection.execute(query)).one_or_none()
    return row


async def _store_impression(
    connection: AsyncConnection, sender: _Sender, event: Impression, revision: Revision
) -> None:
    if await _find(connection, impressions, sender.site_id, event.id):
        return
    await connection.execute(
        insert(impressions).values(
            site_id=sender.site_id,
            id=event.id,
            survey_id=revision.survey_id,
            revision=revision.number,
            visitor_id=sender.ensure_visitor(),
            shown_at=sender.now,
            **sender.circumstances(event),
        )
    )


async def _store_dismissal(
    connection: AsyncConnection, sender: _Sender, event: Dismissal, revision: Revision, at: str
) -> None:
    shown = await _find(connection, impressions, sender.site_id, event.id)
    if shown and shown.survey_id != revision.survey_id:
        raise Conflict(faults=[Fault(f"{at}/id", "is the impression of another survey")])
    if shown is None:  # the impression's own event is still on its way, and will change nothing
        values = sender.circumstances(event) | {"visitor_id": sender.ensure_visitor()}
        await connection.execute(
            insert(impressions).values(
                site_id=sender.site_id,
                id=event.id,
                survey_id=revision.survey_id,
                revision=revision.number,
                shown_at=sender.now,
                dismissed_at=sender.now,
                **values,
            )
        )
    elif shown.dismissed_at is None:
        here = (impressions.c.site_id == sender.site_id, impressions.c.id == event.id)
        await connection.execute(update(impressions).where(*here).values(dismissed_at=sender.now))


async def _store_response(
    connection: AsyncConnection, sender: _Sender, event: Response, revision: Revision, at: str
) -> None:
    content = _content(sender, event, revision, at)
    if event.impression is not None:  # whoever closed it and came back did not leave without a score
        shown_here = (impressions.c.site_id == sender.site_id, impressions.c.id == event.impression)
        closed = (impressions.c.survey_id == revision.survey_id, impressions.c.dismissed_at.is_not(None))
        await connection.execute(update(impressions).where(*shown_here, *closed).values(dismissed_at=None))
    earlier = await _find(connection, responses, sender.site_id, event.id)
    if earlier:
        if earlier.survey_id != revision.survey_id:
            raise Conflict(faults=[Fault(f"{at}/id", "is the response to another survey")])
        if event.state > earlier.state:
            here = (responses.c.site_id == sender.site_id, responses.c.id == event.id)
            await connection.execute(update(responses).where(*here).values(**content, updated_at=sender.now))
        elif event.state == earlier.state and all(getattr(earlier, key) == value for key, value in content.items()):
            return
        else:
            raise Conflict(faults=[Fault(f"{at}/state", f"must be above {earlier.state}, which is stored already")])
        return
    shown = await _find(connection, impressions, sender.site_id, event.impression)
    if shown and shown.survey_id == revision.survey_id and sender.visitor is None and not sender.anonymous:
        sender.visitor = shown.visitor_id  # answered before the browser had heard its id
    await connection.execute(
        insert(responses).values(
            site_id=sender.site_id,
            id=event.id,
            survey_id=revision.survey_id,
            impression_id=event.impression,
            visitor_id=sender.ensure_visitor(),
            created_at=sender.now,
            updated_at=sender.now,
            **{"email_verified": False, **content},
            **sender.circumstances(event),
        )
    )


def _content(sender: _Sender, event: Response, revision: Revision, at: str) -> Mapping[str, Any]:
    """What of a response a later state replaces; an address that was given stays, unless another comes."""
    document = revision.document
    try:
        group = group_of(document.metric, document.points, event.score)
    except ValueError:
        scale = scores(document.metric, document.points)
        raise Invalid(faults=[Fault(f"{at}/score", f"must be a whole number from {scale[0]} to {scale[-1]}")]) from None
    if event.email and document.email_capture.ask == "never":
        raise Invalid(faults=[Fault(f"{at}/email", "was not asked for by this survey")])
    content = {
        "revision": revision.number,
        "state": event.state,
        "complete": event.complete,
        "score": event.score,
        "group": group,
        "comment": (event.comment or "").strip() or None,
        **sender.person(event),
    }
    if event.email:
        spoken = document.translations.get(event.language or "", document)
        content |= {
            "email": event.email,
            "email_verified": False,
            "consent_text": spoken.email_capture.consent_text,
        }
    return content
