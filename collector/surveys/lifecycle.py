"""Surveys from draft to archive: draft → published → paused → published … → archived.

A publish freezes a revision; answers keep the revision they were given to. A paused survey shows no more, while
answers that are underway still arrive; an archived one is closed. A deleted one is as good as gone, and can be brought
back for 30 days; then `collector.responses.removal` removes it with its answers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, and_, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.audit import Act, record
from collector.access.keys import is_key, new_survey_key
from collector.access.sites import note_site_change
from collector.db.ids import new_id
from collector.db.schema import revisions, sites, surveys
from collector.errors import Conflict, Fault, NotFound
from collector.surveys.document import SurveyDocument, stored_document

Status = Literal["draft", "published", "paused", "archived"]
DELETED = "deleted"
"""Stands in place of the status; such a survey's name is free for others."""
MOST_PUBLISHED_BYTES = 256 * 1024
"""Of the documents of all published surveys of a site, as JSON: their texts are in its script."""
KEPT_DELETED = timedelta(days=30)


@dataclass(frozen=True)
class Survey:
    """``document`` is the draft as last saved; ``revision`` the live one's number, None before the first publish;
    ``number`` what tables name it by within its site, which nobody outside sees."""

    site_id: int
    number: int
    id: UUID
    key: str
    name: str
    status: Status
    document: SurveyDocument
    revision: int | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Revision:
    """What one publish froze."""

    survey_id: UUID
    survey_key: str
    status: Status
    number: int
    document: SurveyDocument


def as_if_published(survey: Survey) -> Revision:
    """The draft in the form of a revision, to look at it."""
    return Revision(survey.id, survey.key, survey.status, survey.revision or 1, survey.document)


async def create_survey(
    connection: AsyncConnection,
    site_id: int,
    document: SurveyDocument,
    *,
    by: str,
    now: datetime,
    act: Act = "survey.created",
) -> Survey:
    """Create a survey as a draft. Raises `Conflict` if the site has a survey of this name."""
    number, name = await _next_number(connection, site_id), document.name
    survey = Survey(site_id, number, new_id(), new_survey_key(), name, "draft", document, None, now, now)
    values = {
        "site_id": site_id,
        "number": survey.number,
        "id": survey.id,
        "key": survey.key,
        "name": survey.name,
        "status": survey.status,
        "document": document.as_json(),
        "created_at": now,
        "updated_at": now,
    }
    try:
        await connection.execute(insert(surveys).values(values))
    except IntegrityError:
        raise _name_taken() from None
    await record(connection, by, act, survey.name, now=now, site_id=site_id)
    return survey


async def _next_number(connection: AsyncConnection, site_id: int) -> int:
    """No number is given twice on a site, whatever became of the survey that had it."""
    made = sites.c.surveys_made + 1
    query = update(sites).where(sites.c.id == site_id).values(surveys_made=made).returning(sites.c.surveys_made)
    number: int = (await connection.execute(query)).scalar_one()
    return number


async def list_surveys(connection: AsyncConnection, site_id: int) -> list[Survey]:
    """Newest first, archived ones last."""
    query = (
        select(surveys)
        .where(surveys.c.site_id == site_id, surveys.c.status != DELETED)
        .order_by(surveys.c.status == "archived", surveys.c.created_at.desc(), surveys.c.id.desc())
    )
    return [survey_of(row) for row in await connection.execute(query)]


async def get_survey(connection: AsyncConnection, site_id: int, survey_id: UUID, *, to_change: bool = False) -> Survey:
    """Raises `NotFound`. ``to_change`` keeps other processes from changing it until the transaction ends."""
    row = await _row_of(connection, site_id, survey_id, to_change=to_change)
    if row is None or row.status == DELETED:
        raise _no_such_survey()
    return survey_of(row)


async def survey_to_act_on(connection: AsyncConnection, site_id: int, survey_id: UUID) -> Survey:
    """As `get_survey` to change it, whether it is deleted or not. Raises `NotFound`."""
    row = await _row_of(connection, site_id, survey_id, to_change=True)
    if row is None:
        raise _no_such_survey()
    return survey_of(row)


async def _row_of(connection: AsyncConnection, site_id: int, survey_id: UUID, *, to_change: bool) -> Row[Any] | None:
    query = select(surveys).where(surveys.c.site_id == site_id, surveys.c.id == survey_id)
    return (await connection.execute(query.with_for_update() if to_change else query)).one_or_none()


async def replace_survey(
    connection: AsyncConnection, site_id: int, survey_id: UUID, document: SurveyDocument, *, by: str, now: datetime
) -> Survey:
    """`save_survey`, as an act of its own in the log."""
    survey = await save_survey(connection, site_id, survey_id, document, now=now)
    await record(connection, by, "survey.replaced", survey.name, now=now, site_id=site_id)
    return survey


async def save_survey(
    connection: AsyncConnection, site_id: int, survey_id: UUID, document: SurveyDocument, *, now: datetime
) -> Survey:
    """Save a document as the draft of a survey; what is live stays as it is until the next publish.

    Raises `NotFound`, or `Conflict` for an archived survey, a name that is taken, and a changed metric, scale or
    delivery once answers may exist.
    """
    survey = await get_survey(connection, site_id, survey_id, to_change=True)
    if survey.status == "archived":
        raise Conflict("An archived survey cannot be changed; duplicate it.")
    if survey.revision is not None:
        live = (await get_revision(connection, site_id, survey.key, survey.revision)).document
        for key in ("delivery", "metric", "scale"):
            if getattr(live, key) != getattr(document, key):
                raise Conflict(
                    f"The {key} cannot change after the first publish: answers before and after could not be compared. "
                    "Duplicate the survey instead.",
                    faults=[Fault(f"/{key}", f"must stay {getattr(live, key)}")],
                )
    await _update(connection, survey, name=document.name, document=document.as_json(), updated_at=now)
    return await get_survey(connection, site_id, survey_id)


async def delete_survey(
    connection: AsyncConnection, site_id: int, survey_id: UUID, *, by: str, now: datetime
) -> Survey:
    """Take it away with its answers; it can be brought back for `KEPT_DELETED`. Raises `NotFound`."""
    survey = await get_survey(connection, site_id, survey_id, to_change=True)
    aside = f"\x7f{survey.id.hex}"  # the name is free for others, and none can be given this one
    await _update(connection, survey, status=DELETED, name=aside, updated_at=now)
    await _note(connection, survey, "survey.deleted", by, now)
    return survey


async def publish_survey(
    connection: AsyncConnection, site_id: int, survey_id: UUID, *, by: str, now: datetime
) -> Survey:
    """Freeze the draft as the next revision and make it live; an unchanged one that is paused goes live again as it is.

    Raises `NotFound`, or `Conflict` for an archived survey, and where the site's script would be too large with it.
    """
    survey = await get_survey(connection, site_id, survey_id, to_change=True)
    if survey.status == "archived":
        raise Conflict("An archived survey cannot be published; duplicate it.")
    await _require_room(connection, survey, survey.document)
    number = survey.revision
    if number is None or (await get_revision(connection, site_id, survey.key, number)).document != survey.document:
        number = (number or 0) + 1
        await connection.execute(
            insert(revisions).values(
                site_id=site_id,
                survey_number=survey.number,
                number=number,
                document=survey.document.as_json(),
                published_at=now,
            )
        )
    await _update(connection, survey, status="published", revision=number, updated_at=now)
    if (survey.status, survey.revision) != ("published", number):
        await _note(connection, survey, "survey.published", by, now)
    return await get_survey(connection, site_id, survey_id)


async def _require_room(connection: AsyncConnection, survey: Survey, document: SurveyDocument) -> None:
    """Raises `Conflict` where the site's script, which every page loads, would be too large with this survey in it."""
    others = [one.document for one in await live_revisions(connection, survey.site_id) if one.survey_id != survey.id]
    size = sum(len(json.dumps(one.as_json(), ensure_ascii=False).encode()) for one in (document, *others))
    if size > MOST_PUBLISHED_BYTES:
        raise Conflict(
            f"All published surveys of a site have at most {MOST_PUBLISHED_BYTES // 1024} KB together, because every "
            f"page loads them; with this one there would be {-(-size // 1024)} KB. Shorten its texts or translations, "
            "or pause another survey."
        )


async def pause_survey(connection: AsyncConnection, site_id: int, survey_id: UUID, *, by: str, now: datetime) -> Survey:
    """Pause a survey until the next publish. Raises `NotFound`, or `Conflict` if it is not published."""
    survey = await get_survey(connection, site_id, survey_id, to_change=True)
    if survey.status not in ("published", "paused"):
        raise Conflict(f"Only a published survey can be paused; this one is {_called(survey.status)}.")
    await _update(connection, survey, status="paused", updated_at=now)
    if survey.status != "paused":
        await _note(connection, survey, "survey.paused", by, now)
    return await get_survey(connection, site_id, survey_id)


async def resume_survey(
    connection: AsyncConnection, site_id: int, survey_id: UUID, *, by: str, now: datetime
) -> Survey:
    """Show a paused survey again as it was published last, whatever its draft says by now.

    Raises `NotFound`, or `Conflict` if it is not paused, and where the site's script would be too large with it.
    """
    survey = await get_survey(connection, site_id, survey_id, to_change=True)
    live = await live_document(connection, survey)
    if survey.status not in ("published", "paused") or live is None:
        raise Conflict(f"Only a paused survey can be resumed; this one is {_called(survey.status)}.")
    if survey.status == "paused":
        await _require_room(connection, survey, live)
        await _update(connection, survey, status="published", updated_at=now)
        await _note(connection, survey, "survey.resumed", by, now)
    return await get_survey(connection, site_id, survey_id)


async def archive_survey(
    connection: AsyncConnection, site_id: int, survey_id: UUID, *, by: str, now: datetime
) -> Survey:
    """Archive a survey: it shows no more and takes no more answers. Raises `NotFound`."""
    survey = await get_survey(connection, site_id, survey_id, to_change=True)
    await _update(connection, survey, status="archived", updated_at=now)
    if survey.status != "archived":
        await _note(connection, survey, "survey.archived", by, now)
    return await get_survey(connection, site_id, survey_id)


async def bring_back_survey(
    connection: AsyncConnection, site_id: int, survey_id: UUID, *, by: str, now: datetime
) -> Survey:
    """Take it out of the archive, or back after it was deleted: paused if it was published once, else a draft. If its
    name was taken meanwhile, it gets the first free one.

    Raises `NotFound`, once it was deleted for too long as well, or `Conflict`.
    """
    row = await _row_of(connection, site_id, survey_id, to_change=True)
    if row is None or (row.status == DELETED and row.updated_at <= now - KEPT_DELETED):
        raise _no_such_survey()
    survey = survey_of(row)
    if row.status not in ("archived", DELETED):
        raise Conflict(f"Only an archived or deleted survey can be restored; this one is {_called(row.status)}.")
    name = await free_name(connection, site_id, survey.document.name) if row.status == DELETED else survey.name
    document = survey.document.model_copy(update={"name": name})
    status = "draft" if survey.revision is None else "paused"
    await _update(connection, survey, status=status, name=name, document=document.as_json(), updated_at=now)
    brought_back = await get_survey(connection, site_id, survey_id)
    await _note(connection, brought_back, "survey.restored", by, now)
    return brought_back


async def live_document(connection: AsyncConnection, survey: Survey) -> SurveyDocument | None:
    """What was published last, None before the first publish."""
    if survey.revision is None:
        return None
    return (await get_revision(connection, survey.site_id, survey.key, survey.revision)).document


async def has_changes(connection: AsyncConnection, survey: Survey) -> bool:
    """Whether a publish would change what visitors see of a survey that was published."""
    live = await live_document(connection, survey)
    return live is not None and live != survey.document.model_copy(update={"name": live.name})


async def clone_survey(connection: AsyncConnection, site_id: int, survey_id: UUID, *, by: str, now: datetime) -> Survey:
    """A new draft with the same document under the first free name "… (2)", "… (3)" and so on. Raises `NotFound`."""
    survey = await get_survey(connection, site_id, survey_id)
    document = survey.document.model_copy(update={"name": await free_name(connection, site_id, survey.name)})
    return await create_survey(connection, site_id, document, by=by, now=now, act="survey.cloned")


async def free_name(connection: AsyncConnection, site_id: int, name: str) -> str:
    """The name, or if the site has a survey of that name the first free one of "… (2)", "… (3)" and so on."""
    taken = {row.name for row in await connection.execute(select(surveys.c.name).where(surveys.c.site_id == site_id))}
    if name not in taken:
        return name
    stem = re.sub(r" \(\d+\)$", "", name)[:190]
    return next(free for number in count(2) if (free := f"{stem} ({number})") not in taken)


async def get_revision(connection: AsyncConnection, site_id: int, survey_key: str, number: int | None) -> Revision:
    """A frozen revision by the survey's public key; ``number`` None means the live one. Raises `NotFound`."""
    wanted = surveys.c.revision if number is None else number
    query = _revisions().where(surveys.c.site_id == site_id, surveys.c.key == survey_key, revisions.c.number == wanted)
    row = (await connection.execute(query)).one_or_none() if is_key(survey_key) else None
    if row is None:
        raise NotFound("Published survey not found.")
    return _revision(row)


async def live_revisions(connection: AsyncConnection, site_id: int) -> list[Revision]:
    """Every published survey of the site at its live revision, the highest priority first, then the oldest."""
    query = (
        _revisions()
        .where(
            surveys.c.site_id == site_id,
            surveys.c.status == "published",
            revisions.c.number == surveys.c.revision,
        )
        .order_by(surveys.c.created_at, surveys.c.id)
    )
    found = [_revision(row) for row in await connection.execute(query)]
    return sorted(found, key=lambda revision: -revision.document.frequency.priority)


def _revisions() -> Any:
    columns = [surveys.c.id, surveys.c.key, surveys.c.status, revisions.c.number]
    joined = surveys.join(
        revisions, and_(revisions.c.site_id == surveys.c.site_id, revisions.c.survey_number == surveys.c.number)
    )
    return select(*columns, revisions.c.document).select_from(joined)


async def _note(connection: AsyncConnection, survey: Survey, act: Act, by: str, now: datetime) -> None:
    """In the log, and to whoever keeps at hand what is published."""
    await record(connection, by, act, survey.name, now=now, site_id=survey.site_id)
    await note_site_change(connection, survey.site_id)


async def _update(connection: AsyncConnection, survey: Survey, **values: Any) -> None:
    where = and_(surveys.c.site_id == survey.site_id, surveys.c.id == survey.id)
    try:
        await connection.execute(update(surveys).where(where).values(**values))
    except IntegrityError:
        raise _name_taken() from None


def _no_such_survey() -> NotFound:
    return NotFound("Survey not found.")


def _name_taken() -> Conflict:
    return Conflict(faults=[Fault("/name", "another survey of this site already has this name")])


def _called(status: Status) -> str:
    return "a draft" if status == "draft" else status


def survey_of(row: Row[Any]) -> Survey:
    """Of a row of `surveys`."""
    return Survey(
        row.site_id,
        row.number,
        row.id,
        row.key,
        row.name,
        row.status,
        stored_document(row.document),
        row.revision,
        row.created_at,
        row.updated_at,
    )


def _revision(row: Row[Any]) -> Revision:
    return Revision(row.id, row.key, row.status, row.number, stored_document(row.document))
