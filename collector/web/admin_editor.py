"""The editor of a survey: tabs that save themselves, translations, the preview's frame, and the review."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.errors import BadRequest, Invalid, NotFound
from collector.members import site_for
from collector.sites import Site
from collector.surveys.document import SurveyDocument
from collector.surveys.draft import (
    MISSING,
    Change,
    Saved,
    add_translation,
    remove_translation,
    save_draft,
    value_at,
)
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import (
    Survey,
    as_if_published,
    get_survey,
    has_changes,
    live_document,
    live_revisions,
)
from collector.surveys.patterns import compile_pattern
from collector.surveys.review import missing_texts, problems_of
from collector.web.auth import read_form, signed_in
from collector.web.fields import (
    PLACES,
    TAB_WORDS,
    TABS,
    Field,
    Section,
    Tab,
    called,
    fields_in,
    in_words,
    is_of_use,
    read_field,
    sections_of,
    standard_text,
    translated,
)
from collector.web.http import FRAMED, FRAMING, house_of, page
from collector.web.script import config_of, to_widget

SIGN_IN = "/admin/sign-in"
TEST_LASTS = timedelta(days=7)
"""How long a link shows the draft on the site's own pages."""
LONGEST_ADDRESS = 2000
COLORS = ("#0b7a75", "#1d4ed8", "#7c3aed", "#be185d", "#c2410c", "#15803d", "#111827")
"""Presets that stand out on light and dark cards, dark text or light."""


@dataclass(frozen=True)
class Desk:
    """What someone works at: a survey of a site, and which tab of it."""

    user: Any
    site: Site
    survey: Survey
    tab: Tab
    language: str | None
    changed: bool

    @property
    def sections(self) -> tuple[Section, ...]:
        return sections_of(self.tab, self.survey.document, self.language)

    @property
    def fields(self) -> list[Field]:
        return list(fields_in(self.sections))

    @property
    def values(self) -> dict[str, Any]:
        """What stands in each field."""
        document = self.survey.document.as_json()
        return {field.at: value_at(document, field.at) for field in self.fields}

    @property
    def address(self) -> str:
        language = f"?language={self.language}" if self.language else ""
        return f"{self.home}/edit/{self.tab}{language}"

    @property
    def home(self) -> str:
        return f"/admin/{self.site.key}/{self.survey.id}"


async def _desk(request: Request, connection: AsyncConnection, user: Any, survey: Survey | None = None) -> Desk:
    """Raises `NotFound` for a tab or a language that there is not, and what `site_for` does."""
    tab = request.path_params.get("tab", "survey")
    if tab not in TAB_WORDS:
        raise NotFound("The editor has no such tab.")
    site, _ = await site_for(connection, user, request.path_params["site"], "editor")
    survey = survey or await get_survey(connection, site.id, request.path_params["id"])
    spoken = sorted(survey.document.translations)
    language = request.query_params.get("language", spoken[0] if spoken else None) if tab == "translations" else None
    if language is not None and language not in spoken:
        raise NotFound("This survey has no such translation.")
    return Desk(user, site, survey, tab, language, await has_changes(connection, survey))


async def edit(request: Request) -> Response:
    """One tab of the editor."""
    user = await signed_in(request)
    if user is None:
        return RedirectResponse(SIGN_IN, 303)
    async with house_of(request).database.read() as connection:
        desk = await _desk(request, connection, user)
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
        drawn=_drawn(desk),
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


def _drawn(desk: Desk) -> dict[str, str]:
    """What the preview draws, and the patterns that an address is tried against."""
    survey, where = desk.survey, desk.survey.document.where
    patterns = {
        name: [[pattern, compile_pattern(pattern)] for pattern in lines]
        for name, lines in (("shows", where.include), ("never", where.exclude))
    }
    return {
        "config": config_of(desk.site.key, [as_if_published(survey)], own_page=True),
        "language": desk.language or survey.document.language,
        "patterns": to_widget(patterns),
    }


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
        desk = await _desk(request, connection, user)
    before = _base(form)
    posted = {field.at: read_field(field, form) for field in desk.fields if field.at in before}
    posted = {at: value for at, value in posted.items() if _may_change(desk, at, posted)}
    changes = {at: Change(before[at], value) for at, value in posted.items() if value != before[at]}
    async with house.database.write() as connection:
        saved = await save_draft(connection, desk.site.id, desk.survey.id, changes, now=house.clock())
        desk = await _desk(request, connection, user, saved.survey)
    faults = saved.faults | {at: _theirs(desk, at, value) for at, value in saved.theirs.items()}
    if by_script:
        return _state(desk, saved, before, posted, faults)
    if faults:
        return _tab(request, desk, {at: value for at, value in posted.items() if at in faults}, faults, 422)
    separator = "&" if desk.language else "?"
    return RedirectResponse(f"{desk.address}{separator}saved", 303)


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
        drawn=_drawn(desk),
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
            desk = await _desk(request, connection, user)
            language, question = form.get("language", ""), form.get("question", "")
            await add_translation(
                connection, desk.site.id, desk.survey.id, language, question.strip(), now=house.clock()
            )
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
        desk = await _desk(request, connection, user)
        language = form.get("language", "")
        await remove_translation(connection, desk.site.id, desk.survey.id, language, now=house.clock())
    return RedirectResponse(f"{desk.home}/edit/translations", 303)


# ---- the preview and the review


async def preview(request: Request) -> Response:
    """The frame in which the editor draws the real widget."""
    user = await signed_in(request)
    if user is None:
        return RedirectResponse(SIGN_IN, 303)
    async with house_of(request).database.read() as connection:
        await site_for(connection, user, request.path_params["site"], "editor")
    return page("preview.html", headers=FRAMED)


async def review(request: Request) -> Response:
    """Every setting in words, what is wrong, and what a publish would change."""
    user = await signed_in(request)
    return RedirectResponse(SIGN_IN, 303) if user is None else await _review(request, user)


async def _review(request: Request, user: Any, address: str = "", link: str = "", wrong: str = "") -> Response:
    async with house_of(request).database.read() as connection:
        desk = await _desk(request, connection, user)
        live = await live_document(connection, desk.survey)
        problems = problems_of(desk.survey, await live_revisions(connection, desk.site.id))
    sample = next((one for one in desk.survey.document.where.include if "*" not in one and "." in one), "")
    return page(
        "review.html",
        status=422 if wrong else 200,
        desk=desk,
        user=desk.user,
        site=desk.site,
        survey=desk.survey,
        tabs=TAB_WORDS,
        problems=[(one, *_way_to(desk, one.at)) for one in problems],
        differences=_differences(live, desk.survey.document) if live else None,
        settings=_settings(desk.survey.document),
        languages=LANGUAGES,
        address=address or sample,
        link=link,
        wrong=wrong,
    )


async def test(request: Request) -> Response:
    """Make a link to one of the site's own pages, where the draft shows whatever its targeting says."""
    form = await read_form(request)
    user = await signed_in(request)
    if user is None:
        return RedirectResponse(SIGN_IN, 303)
    house, typed = house_of(request), form.get("address", "").strip()
    async with house.database.read() as connection:
        desk = await _desk(request, connection, user)
    parts = _web_address(typed)
    if parts is None:
        return await _review(request, user, typed, wrong="must be the web address of a page that carries the tag")
    token = house.signing.test_token(desk.site.id, desk.survey.id, house.clock() + TEST_LASTS)
    query = "&".join(filter(None, (parts.query, f"tevreden=test.{token}")))
    return await _review(request, user, typed, link=urlunsplit(parts._replace(query=query)))


def _web_address(typed: str) -> SplitResult | None:
    if len(typed) > LONGEST_ADDRESS or not typed.isprintable():
        return None
    try:
        parts = urlsplit(typed if "://" in typed else f"https://{typed}")
        return parts if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:
        return None


def _way_to(desk: Desk, at: str) -> tuple[str, str]:
    """Where a place of the document is edited: what it is called, and the address."""
    if at.startswith("translations/"):
        _, language, own = at.split("/", 2)
        name = f"{TAB_WORDS['translations']} · {LANGUAGES[language].name}"
        return name, f"{desk.home}/edit/translations?language={language}#{replace(PLACES[own][2], at=at).id}"
    tab, _, field = PLACES[at]
    return called(at), f"{desk.home}/edit/{tab}#{field.id}"


def _settings(document: SurveyDocument) -> dict[Tab, list[tuple[Section, list[tuple[Field, str]]]]]:
    """By tab and section, every setting in words; a text that was not written is the standard one."""
    values = document.as_json()
    return {
        tab: [
            (
                section,
                [
                    (field, in_words(field, value_at(values, field.at)) or _unset(field, document))
                    for field in section.fields
                    if is_of_use(field, values)
                ],
            )
            for section in sections
        ]
        for tab, sections in TABS.items()
    }


def _unset(field: Field, document: SurveyDocument) -> str:
    if field.standard:
        return f"{standard_text(field, document)} (standard)"
    return {"where/include": "every page", "where/exclude": "none"}.get(field.at, "–")


def _differences(live: SurveyDocument, draft: SurveyDocument) -> list[tuple[str, str, str]]:
    """What a publish would change: the place, what is live, and what would be."""
    return list(_compare(live, draft))


def _compare(live: SurveyDocument, draft: SurveyDocument) -> Iterator[tuple[str, str, str]]:
    was, will = live.as_json(), draft.as_json()
    for at, (_, _, field) in PLACES.items():
        before, after = value_at(was, at), value_at(will, at)
        if before != after and at != "name":
            words = [in_words(field, value) or _unset(field, of) for value, of in ((before, live), (after, draft))]
            yield called(at), words[0], words[1]
    for language in sorted(live.translations.keys() | draft.translations.keys()):
        name = LANGUAGES[language].name
        if language not in draft.translations:
            yield f"Translations · {name}", "there", "removed"
        elif language not in live.translations:
            yield f"Translations · {name}", "–", "added"
        else:
            for field in fields_in(translated(language, draft)):
                before, after = value_at(was, field.at), value_at(will, field.at)
                if before != after:
                    yield f"{name} · {field.label}", in_words(field, before) or "–", in_words(field, after) or "–"


routes = [
    Route("/admin/{site}/{id:uuid}/edit/{tab}", edit),
    Route("/admin/{site}/{id:uuid}/edit/{tab}", save, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/languages/add", add_language, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/languages/remove", remove_language, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/preview", preview),
    Route("/admin/{site}/{id:uuid}/test", test, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/review", review),
]
