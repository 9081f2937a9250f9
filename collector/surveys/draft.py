"""Saving a draft place by place, so that two people who edit it at once don't write over each other."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.audit import record_often
from collector.db.schema import surveys
from collector.db.text import is_text
from collector.errors import Conflict, Fault, Invalid, NotFound
from collector.surveys.document import SurveyDocument, read_document
from collector.surveys.lifecycle import Survey, get_survey, save_survey
from collector.surveys.metrics import DEFAULT_SCALE, SCALES


@dataclass(frozen=True)
class Change:
    """What someone makes of one place of the document, and what stood there when they began."""

    before: Any
    after: Any


@dataclass(frozen=True)
class Saved:
    """The survey as it is now, and whether anything of it was ``changed``.

    ``faults`` has what was not saved, by place, with what would be right; ``theirs`` what was not saved because someone
    else had changed the place meanwhile, with what stands there.
    """

    survey: Survey
    faults: dict[str, str]
    theirs: dict[str, Any]
    changed: bool


MISSING = object()
"""Stands at no place of a document."""


def value_at(document: Mapping[str, Any], place: str) -> Any:
    """What stands at a place such as ``thank_you/positive/link``, or `MISSING`."""
    value: Any = document
    for step in place.split("/"):
        if not isinstance(value, Mapping) or step not in value:
            return MISSING
        value = value[step]
    return value


def _put(document: dict[str, Any], place: str, value: Any) -> None:
    *way, last = place.split("/")
    for step in way:
        document = document[step]
    document[last] = value


async def save_draft(
    connection: AsyncConnection,
    site_id: int,
    survey_id: UUID,
    changes: Mapping[str, Change],
    *,
    by: str,
    now: datetime,
) -> Saved:
    """Save what can be saved of these changes, by place; what is wrong or was changed by someone else stays as it is.

    Raises `NotFound`, or `Conflict` for an archived survey.
    """
    survey = await get_survey(connection, site_id, survey_id, to_change=True)
    current = survey.document.as_json()
    faults: dict[str, str] = {}
    theirs: dict[str, Any] = {}
    wanted: dict[str, Any] = {}
    for place, change in changes.items():
        stands = value_at(current, place)
        if stands is MISSING:
            faults[place] = "is gone: someone else removed it"
        elif stands not in (change.before, change.after):
            theirs[place] = stands
        else:
            wanted[place] = change.after
    if "name" in wanted and await _is_taken(connection, survey, wanted["name"]):
        faults["name"] = "another survey of this site already has this name"
        del wanted["name"]
    while True:
        try:
            document = _with(current, wanted)
            changed = document != survey.document
            if changed or survey.status == "archived":
                survey = await save_survey(connection, site_id, survey_id, document, now=now)
            if changed:
                await _note(connection, survey, by, now)
            return Saved(survey, faults, theirs, changed)
        except (Invalid, Conflict) as error:
            blamed = {_blamed(fault, wanted): fault.detail for fault in reversed(error.faults)}
            if not blamed or None in blamed:
                raise
            faults.update({place: detail for place, detail in blamed.items() if place})
            wanted = {place: value for place, value in wanted.items() if place not in blamed}


def document_with(survey: Survey, changes: Mapping[str, Change]) -> SurveyDocument:
    """The draft as these changes would make it, to look at it; without those that are wrong."""
    current = survey.document.as_json()
    wanted = {place: change.after for place, change in changes.items() if value_at(current, place) is not MISSING}
    while True:
        try:
            return _with(current, wanted)
        except Invalid as error:
            blamed = {_blamed(fault, wanted) for fault in error.faults} - {None}
            if not blamed:
                return survey.document
            wanted = {place: value for place, value in wanted.items() if place not in blamed}


def _with(current: dict[str, Any], wanted: Mapping[str, Any]) -> SurveyDocument:
    changed = deepcopy(current)
    for place, value in wanted.items():
        _put(changed, place, value)
    metric = changed["metric"]
    if metric != current["metric"] and changed["scale"] not in SCALES.get(metric, ()):
        changed["scale"] = DEFAULT_SCALE.get(metric)
    return read_document(changed)


def _blamed(fault: Fault, wanted: Mapping[str, Any]) -> str | None:
    """The place among those that were to change which a fault is about."""
    at = fault.at.lstrip("/")
    return next((place for place in wanted if at == place or at.startswith(place + "/")), None)


async def _is_taken(connection: AsyncConnection, survey: Survey, name: object) -> bool:
    others = surveys.c.site_id == survey.site_id, surveys.c.id != survey.id, surveys.c.name == name
    if not isinstance(name, str) or not is_text(name):  # which the document will say; not every store can be asked
        return False
    return (await connection.execute(select(surveys.c.id).where(*others))).first() is not None


# ---- translations


async def add_translation(
    connection: AsyncConnection, site_id: int, survey_id: UUID, language: str, question: str, *, by: str, now: datetime
) -> Survey:
    """Let the draft speak one more language. Raises `NotFound`, `Invalid`, or `Conflict` for an archived survey."""
    survey = await get_survey(connection, site_id, survey_id, to_change=True)
    if language in survey.document.translations:
        raise Invalid(faults=[Fault(f"/translations/{language}", "already exists")])
    return await _save(connection, survey, {language: {"question": question}}, by, now)


async def remove_translation(
    connection: AsyncConnection, site_id: int, survey_id: UUID, language: str, *, by: str, now: datetime
) -> Survey:
    """Raises `NotFound`, or `Conflict` for an archived survey."""
    survey = await get_survey(connection, site_id, survey_id, to_change=True)
    if language not in survey.document.translations:
        raise NotFound("Translation not found.")
    return await _save(connection, survey, {language: None}, by, now)


async def _save(connection: AsyncConnection, survey: Survey, changed: dict[str, Any], by: str, now: datetime) -> Survey:
    current = survey.document.as_json()
    spoken = {**current["translations"], **changed}
    current["translations"] = {language: texts for language, texts in spoken.items() if texts}
    saved = await save_survey(connection, survey.site_id, survey.id, read_document(current), now=now)
    await _note(connection, saved, by, now)
    return saved


async def _note(connection: AsyncConnection, survey: Survey, by: str, now: datetime) -> None:
    """In the log: the tabs save themselves as somebody types, so once for all of a while."""
    await record_often(connection, by, "survey.edited", survey.name, now=now, site_id=survey.site_id)
