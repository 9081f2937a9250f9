"""The editor of a survey: tabs that save themselves, translations, and the preview's frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access.audit import record_often
from collector.access.roles import site_for
from collector.errors import BadRequest, Invalid
from collector.surveys.draft import MISSING, Change, Saved, add_translation, remove_translation, save_draft, value_at
from collector.surveys.languages import LANGUAGES
from collector.surveys.review import missing_texts
from collector.web.admin.drafts import Desk, desk_of, drawn
from collector.web.admin.fields import PLACES, TAB_WORDS, in_words, is_of_use, read_field, standard_text
from collector.web.http.auth import read_form, signed_in
from collector.web.http.shared import FRAMED, FRAMING, house_of, page

SIGN_IN = "/admin/sign-in"
COLORS = ("#0b7a75", "#1d4ed8", "#7c3aed", "#be185d", "#c2410c", "#15803d", "#111827")
"""Presets that stand out on light and dark cards, dark text or light."""


async def edit(request: Request) -> Response:
    """One tab of the editor."""
    user = await signed_in(request)
    if user is None:
        return RedirectResponse(SIGN_IN, 303)
    async with house_of(request).database.read() as connection:
        desk = await desk_of(request, connection, user)
    return _tab(request, desk)


def _tab(
    request: Request,
    desk: Desk,
    form: Mapping[str, Any] | None = None,
    faults: Mapping[str, str] | None = None,
    status: int = 200,
    adding: Mapping[str, str] | None = None,
) -> Response:
    document = desk.survey.document
    if desk.survey.status == "archived":
        return RedirectResponse(desk.home, 303)
    return page(
        "edit.html",
        status=status,
        headers=FRAMING,
        desk=desk,
        user=desk.user,
        site=desk.site,
        survey=desk.survey,
        tabs=TAB_WORDS,
        sections=desk.sections,
        values={**desk.values, **(form or {})},
        base=json.dumps(desk.values),
        faults=faults or {},
        standards={field.at: standard_text(field, document) for field in desk.fields},
        originals=_originals(desk),
        missing=missing_texts(document),
        languages=LANGUAGES,
        adding=adding or {},
        colors=COLORS,
        drawn=drawn(desk),
        saved="saved" in request.query_params,
        is_fixed=desk.survey.revision is not None,
        is_of_use=lambda field: is_of_use(field, document.as_json()),
    )


def _originals(desk: Desk) -> dict[str, tuple[str, bool]]:
    """What a text says in the survey's own language, and whether the site owner wrote it, for the translations."""
    if desk.language is None:
        return {}
    document = desk.survey.document
    values, found = document.as_json(), {}
    for field in desk.fields:
        at = field.at.removeprefix(f"translations/{desk.language}/")
        own = value_at(values, at)
        standard = standard_text(PLACES[at][2], document)
        found[field.at] = (str(own) if own not in (None, MISSING) else standard, own not in (None, MISSING))
    return found


# ---- saving


async def save(request: Request) -> Response:
    """Save what has changed in a tab; for a script the state of things alone, else the tab again."""
    form = await read_form(request)
    by_script = "hx-request" in request.headers
    user = await signed_in(request)
    if user is None:
        if by_script:
            return page("edit_signed_out.html", status=401)
        return RedirectResponse(SIGN_IN, 303)
    house = house_of(request)
    async with house.database.read() as connection:
        desk = await desk_of(request, connection, user)
    before = _base(form)
    posted = {field.at: read_field(field, form) for field in desk.fields if field.at in before}
    posted = {at: value for at, value in posted.items() if _may_change(desk, at, posted)}
    changes = {at: Change(before[at], value) for at, value in posted.items() if value != before[at]}
    async with house.database.write() as connection:
        saved = await save_draft(connection, desk.site.id, desk.survey.id, changes, now=house.clock())
        desk = await desk_of(request, connection, user, saved.survey)
        if saved.changed:
            await _note(connection, desk, house.clock())
    faults = saved.faults | {at: _theirs(desk, at, value) for at, value in saved.theirs.items()}
    if by_script:
        return _state(desk, saved, before, posted, faults)
    if faults:
        return _tab(request, desk, {at: value for at, value in posted.items() if at in faults}, faults, 422)
    separator = "&" if desk.language else "?"
    return RedirectResponse(f"{desk.address}{separator}saved", 303)


async def _note(connection: AsyncConnection, desk: Desk, now: datetime) -> None:
    """In the log: the tabs save themselves as somebody types, so once for all of a while."""
    who, survey = desk.user.email, desk.survey
    await record_often(connection, who, "survey.edited", survey.name, now=now, site_id=desk.site.id)


def _may_change(desk: Desk, at: str, posted: Mapping[str, Any]) -> bool:
    """Not what is fixed by now, nor what is not shown beside what else was chosen."""
    if at not in PLACES:
        return True
    field = PLACES[at][2]
    chosen = str(posted.get(field.only[0])) if field.only else ""
    return not (field.fixed and desk.survey.revision is not None) and (not field.only or chosen in field.only[1:])


def _base(form: Mapping[str, str]) -> dict[str, Any]:
    """What stood in the fields when the form was filled in."""
    try:
        found = json.loads(form.get("base", ""))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadRequest("The form came without what stood in it before. Load the page again.")
    return found


def _theirs(desk: Desk, at: str, value: Any) -> str:
    field = next((one for one in desk.fields if one.at == at), None)
    words = in_words(field, value) if field else str(value)
    return f"was changed by someone else meanwhile, to “{words or 'nothing'}”; change it again to replace that"


def _state(
    desk: Desk, saved: Saved, before: dict[str, Any], posted: dict[str, Any], faults: Mapping[str, str]
) -> Response:
    """How things stand after a save. What this form shows of a field stays what it was compared with, so that what
    someone else did elsewhere in the tab is not written over by what this form still shows of it."""
    now = desk.values
    base = {
        at: now[at] if at in saved.theirs or (value != before[at] and at not in saved.faults) else before[at]
        for at, value in posted.items()
        if at in now
    }
    elsewhere = [
        field
        for field in desk.fields
        if field.at in before and before[field.at] == posted.get(field.at) and now[field.at] != before[field.at]
    ]
    return page(
        "edit_state.html",
        desk=desk,
        base=json.dumps({**before, **base}),
        faults=faults,
        fields=desk.fields,
        elsewhere=elsewhere,
        drawn=drawn(desk),
    )


# ---- translations


async def add_language(request: Request) -> Response:
    """One more language, with the question in it."""
    form = await read_form(request)
    user = await signed_in(request)
    if user is None:
        return RedirectResponse(SIGN_IN, 303)
    house = house_of(request)
    request.path_params["tab"] = "translations"
    try:
        async with house.database.write() as connection:
            desk = await desk_of(request, connection, user)
            language, question = form.get("language", ""), form.get("question", "")
            await add_translation(
                connection, desk.site.id, desk.survey.id, language, question.strip(), now=house.clock()
            )
            await _note(connection, desk, house.clock())
    except Invalid as error:
        at = f"translations/{form.get('language', '')}"
        faults = {
            fault.at.lstrip("/").removeprefix(at).strip("/") or "language": fault.detail for fault in error.faults
        }
        return _tab(
            request, desk, adding={**form, **{f"wrong {name}": text for name, text in faults.items()}}, status=422
        )
    return RedirectResponse(f"{desk.home}/edit/translations?language={language}", 303)


async def remove_language(request: Request) -> Response:
    form = await read_form(request)
    user = await signed_in(request)
    if user is None:
        return RedirectResponse(SIGN_IN, 303)
    house = house_of(request)
    request.path_params["tab"] = "translations"
    async with house.database.write() as connection:
        desk = await desk_of(request, connection, user)
        language = form.get("language", "")
        await remove_translation(connection, desk.site.id, desk.survey.id, language, now=house.clock())
        await _note(connection, desk, house.clock())
    return RedirectResponse(f"{desk.home}/edit/translations", 303)


# ---- the preview


async def preview(request: Request) -> Response:
    """The frame in which the editor draws the real widget."""
    user = await signed_in(request)
    if user is None:
        return RedirectResponse(SIGN_IN, 303)
    async with house_of(request).database.read() as connection:
        await site_for(connection, user, request.path_params["site"], "editor")
    return page("preview.html", headers=FRAMED)


routes = [
    Route("/admin/{site}/{id:uuid}/edit/{tab}", edit),
    Route("/admin/{site}/{id:uuid}/edit/{tab}", save, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/languages/add", add_language, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/languages/remove", remove_language, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/preview", preview),
]
