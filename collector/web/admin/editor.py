"""The editor of a survey: tabs that save themselves, translations, and the preview's frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access.roles import site_for
from collector.errors import BadRequest, Invalid, SignInNeeded
from collector.surveys.draft import (
    MISSING,
    Change,
    Saved,
    add_translation,
    document_with,
    remove_translation,
    save_draft,
    value_at,
)
from collector.surveys.languages import LANGUAGES
from collector.surveys.review import missing_texts
from collector.surveys.versions import version_of
from collector.web.admin.editing import Editing, drawn, editing_of
from collector.web.admin.fields import (
    COLORS,
    EDIT_TABS,
    PLACES,
    TAB_WORDS,
    Field,
    in_words,
    is_of_use,
    read_field,
    standard_text,
)
from collector.web.admin.shell import admin_page
from collector.web.http.auth import read_form, require_user
from collector.web.http.rendering import FRAMED, FRAMING, page
from collector.web.http.services import services_of


async def edit(request: Request) -> Response:
    """One tab of the editor."""
    user = await require_user(request)
    async with services_of(request).database.read() as connection:
        editing = await editing_of(request, connection, user)
    return await _tab(request, editing)


async def _tab(
    request: Request,
    editing: Editing,
    form: Mapping[str, Any] | None = None,
    faults: Mapping[str, str] | None = None,
    status: int = 200,
    adding: Mapping[str, str] | None = None,
) -> Response:
    document = editing.survey.document
    if editing.survey.status == "archived":
        return RedirectResponse(editing.home, 303)
    return await admin_page(
        request,
        "edit.html",
        status=status,
        headers=FRAMING,
        user=editing.user,
        site=editing.site,
        here="surveys",
        editing=editing,
        survey=editing.survey,
        version=version_of(editing.survey),
        edit_tabs=EDIT_TABS,
        offered=[field for field in editing.fields if _is_offered(editing, field)],
        tabs=TAB_WORDS,
        sections=editing.sections,
        values={**editing.values, **(form or {})},
        base=json.dumps(editing.values),
        faults=faults or {},
        standards={field.at: standard_text(field, document) for field in editing.fields},
        originals=_originals(editing),
        missing=missing_texts(document),
        languages=LANGUAGES,
        adding=adding or {},
        colors=COLORS,
        drawn=drawn(editing),
        saved="saved" in request.query_params,
        is_fixed=editing.survey.revision is not None,
        is_of_use=lambda field: is_of_use(field, document.as_json()),
    )


def _is_offered(editing: Editing, field: Field) -> bool:
    """Not what a choice in another tab makes useless: in this one the page shows and hides it itself."""
    here = {one.at for one in editing.fields}
    return is_of_use(field, editing.survey.document.as_json()) or (bool(field.only) and field.only[0] in here)


def _originals(editing: Editing) -> dict[str, tuple[str, bool]]:
    """What a text says in the survey's own language, and whether the site owner wrote it, for the translations."""
    if editing.language is None:
        return {}
    document = editing.survey.document
    values, found = document.as_json(), {}
    for field in editing.fields:
        at = field.at.removeprefix(f"translations/{editing.language}/")
        own = value_at(values, at)
        standard = standard_text(PLACES[at][2], document)
        found[field.at] = (str(own) if own not in (None, MISSING) else standard, own not in (None, MISSING))
    return found


# ---- saving


async def save(request: Request) -> Response:
    """Save what has changed in a tab; for a script the state of things alone, else the tab again."""
    form = await read_form(request)
    by_script = "hx-request" in request.headers
    try:
        user = await require_user(request)
    except SignInNeeded:
        if by_script:
            return page("edit_signed_out.html", status=401)
        raise
    services = services_of(request)
    async with services.database.read() as connection:
        editing = await editing_of(request, connection, user)
    before = _base(form)
    posted = _posted(editing, form, before)
    changes = _changes(before, posted)
    async with services.database.write() as connection:
        saved = await save_draft(
            connection, editing.site.id, editing.survey.id, changes, by=user.email, now=services.clock()
        )
        editing = await editing_of(request, connection, user, saved.survey)
    faults = saved.faults | {at: _theirs(editing, at, value) for at, value in saved.theirs.items()}
    if by_script:
        return _state(editing, saved, before, posted, faults)
    if faults:
        return await _tab(request, editing, {at: value for at, value in posted.items() if at in faults}, faults, 422)
    separator = "&" if editing.language else "?"
    return RedirectResponse(f"{editing.address}{separator}saved", 303)


async def draw(request: Request) -> Response:
    """What the preview would show of a tab that is being filled in; nothing is saved."""
    form = await read_form(request)
    user = await require_user(request)
    async with services_of(request).database.read() as connection:
        editing = await editing_of(request, connection, user)
    before = _base(form)
    document = document_with(editing.survey, _changes(before, _posted(editing, form, before)))
    typed = replace(editing, survey=replace(editing.survey, document=document))
    return page("edit_drawn.html", drawn=drawn(typed))


def _posted(editing: Editing, form: Mapping[str, str], before: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the fields now."""
    posted = {field.at: read_field(field, form) for field in editing.fields if field.at in before}
    return {at: value for at, value in posted.items() if _may_change(editing, at, posted)}


def _changes(before: Mapping[str, Any], posted: Mapping[str, Any]) -> dict[str, Change]:
    return {at: Change(before[at], value) for at, value in posted.items() if value != before[at]}


def _may_change(editing: Editing, at: str, posted: Mapping[str, Any]) -> bool:
    """Not what is fixed by now, nor what is not shown beside what else was chosen."""
    if at not in PLACES:
        return True
    field = PLACES[at][2]
    elsewhere = value_at(editing.survey.document.as_json(), field.only[0]) if field.only else ""
    chosen = str(posted.get(field.only[0], elsewhere)) if field.only else ""
    return not (field.fixed and editing.survey.revision is not None) and (not field.only or chosen in field.only[1:])


def _base(form: Mapping[str, str]) -> dict[str, Any]:
    """What stood in the fields when the form was filled in."""
    try:
        found = json.loads(form.get("base", ""))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadRequest("The form came without what stood in it before. Load the page again.")
    return found


def _theirs(editing: Editing, at: str, value: Any) -> str:
    field = next((one for one in editing.fields if one.at == at), None)
    words = in_words(field, value) if field else str(value)
    return f"was changed by someone else meanwhile, to “{words or 'nothing'}”; change it again to replace that"


def _state(
    editing: Editing, saved: Saved, before: dict[str, Any], posted: dict[str, Any], faults: Mapping[str, str]
) -> Response:
    """How things stand after a save. What this form shows of a field stays what it was compared with, so that what
    someone else did elsewhere in the tab is not written over by what this form still shows of it."""
    now = editing.values
    base = {
        at: now[at] if at in saved.theirs or (value != before[at] and at not in saved.faults) else before[at]
        for at, value in posted.items()
        if at in now
    }
    elsewhere = [
        field
        for field in editing.fields
        if field.at in before and before[field.at] == posted.get(field.at) and now[field.at] != before[field.at]
    ]
    return page(
        "edit_state.html",
        editing=editing,
        base=json.dumps({**before, **base}),
        faults=faults,
        fields=[field for field in editing.fields if _is_offered(editing, field)],
        elsewhere=elsewhere,
        drawn=drawn(editing),
    )


# ---- translations


async def add_language(request: Request) -> Response:
    """One more language, with the question in it."""
    form = await read_form(request)
    user = await require_user(request)
    services = services_of(request)
    request.path_params["tab"] = "translations"
    try:
        async with services.database.write() as connection:
            editing = await editing_of(request, connection, user)
            language, question = form.get("language", ""), form.get("question", "")
            await add_translation(
                connection,
                editing.site.id,
                editing.survey.id,
                language,
                question.strip(),
                by=user.email,
                now=services.clock(),
            )
    except Invalid as error:
        at = f"translations/{form.get('language', '')}"
        faults = {
            fault.at.lstrip("/").removeprefix(at).strip("/") or "language": fault.detail for fault in error.faults
        }
        return await _tab(
            request, editing, adding={**form, **{f"wrong {name}": text for name, text in faults.items()}}, status=422
        )
    return RedirectResponse(f"{editing.home}/edit/translations?language={language}", 303)


async def remove_language(request: Request) -> Response:
    form = await read_form(request)
    user = await require_user(request)
    services = services_of(request)
    request.path_params["tab"] = "translations"
    async with services.database.write() as connection:
        editing = await editing_of(request, connection, user)
        language = form.get("language", "")
        await remove_translation(
            connection, editing.site.id, editing.survey.id, language, by=user.email, now=services.clock()
        )
    return RedirectResponse(f"{editing.home}/edit/translations", 303)


# ---- the preview


async def preview(request: Request) -> Response:
    """The frame in which the editor draws the real widget."""
    user = await require_user(request)
    async with services_of(request).database.read() as connection:
        await site_for(connection, user, request.path_params["site"], "editor")
    return page("preview.html", headers=FRAMED)


routes = [
    Route("/admin/{site}/{id:uuid}/edit/{tab}", edit),
    Route("/admin/{site}/{id:uuid}/edit/{tab}", save, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/draw/{tab}", draw, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/languages/add", add_language, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/languages/remove", remove_language, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/preview", preview),
]
