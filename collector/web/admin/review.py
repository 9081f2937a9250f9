"""The review of a survey before it goes live, and a link to try it on a page of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from urllib.parse import SplitResult, urlsplit, urlunsplit

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access.accounts import User
from collector.access.audit import record_often
from collector.db.moments import moment
from collector.responses.reading import was_shown
from collector.surveys.document import SurveyDocument, read_document
from collector.surveys.draft import value_at
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import live_document, live_revisions
from collector.surveys.review import findings_of
from collector.surveys.revisions import Published, draft_from, list_revisions
from collector.surveys.versions import require_version, version_of
from collector.web.admin.editing import Editing, editing_of
from collector.web.admin.fields import (
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
    standard_text,
    translated,
)
from collector.web.admin.shell import admin_page
from collector.web.http.auth import read_form, require_user
from collector.web.http.services import services_of
from collector.web.visitors.addresses import own_page, tag

TEST_LASTS = timedelta(days=7)
"""How long a link shows the draft on the site's own pages."""
LONGEST_ADDRESS = 2000


async def review(request: Request) -> Response:
    """Every setting in words, what is wrong, and what a publish would change."""
    user = await require_user(request)
    return await _review(request, user)


async def _review(request: Request, user: User, address: str = "", link: str = "", fault: str = "") -> Response:
    services = services_of(request)
    async with services.database.read() as connection:
        editing = await editing_of(request, connection, user)
        live = await live_document(connection, editing.survey)
        problems = findings_of(editing.survey, await live_revisions(connection, editing.site.id))
        revisions = await list_revisions(connection, editing.survey)
        is_seen = bool(editing.site.tag_seen_on) or await was_shown(connection, editing.site.id)
    document, url = editing.survey.document, services.settings.public_url
    sample = next((one for one in document.where.include if "*" not in one and "." in one), "")
    compared, comparison = _comparison(request.query_params, revisions, document)
    return await admin_page(
        request,
        "review.html",
        status=422 if fault else 200,
        user=editing.user,
        site=editing.site,
        here="surveys",
        editing=editing,
        survey=editing.survey,
        version=version_of(editing.survey),
        tabs=TAB_WORDS,
        problems=[(one, *_way_to(editing, one.at)) for one in problems],
        differences=_differences(live, document) if live else None,
        revisions=revisions,
        compared=compared,
        comparison=comparison,
        settings=_settings(document),
        languages=LANGUAGES,
        published="published" in request.query_params and editing.survey.status == "published",
        is_seen=is_seen,
        tag=tag(url, editing.site.key),
        own_page=own_page(url, editing.site, editing.survey),
        moment=moment,
        address=address or sample,
        link=link,
        fault=fault,
    )


def _comparison(
    query: QueryParams, revisions: Sequence[Published], draft: SurveyDocument
) -> tuple[tuple[int | None, int | None], list[tuple[str, str, str]] | None]:
    """Which two versions are compared, None being the draft, and how they differ; None unless two are asked for."""
    documents = {str(one.number): one for one in revisions}
    first, second = documents.get(query.get("from", "")), documents.get(query.get("to", ""))
    if first is None:
        return (None, None), None
    after = second.document if second else draft
    return (first.number, second.number if second else None), _differences(first.document, after)


async def make_draft(request: Request) -> Response:
    """Make an earlier revision the draft; nothing goes live by it."""
    form = await read_form(request)
    user = await require_user(request)
    services, number = services_of(request), request.path_params["number"]
    async with services.database.write() as connection:
        editing = await editing_of(request, connection, user)
        require_version(editing.survey, [form.get("version", "")])
        await draft_from(connection, editing.site.id, editing.survey.id, number, by=user.email, now=services.clock())
    return RedirectResponse(f"{editing.home}/review", 303)


async def test(request: Request) -> Response:
    """Make a link to one of the site's own pages, where the draft shows whatever its targeting says."""
    form = await read_form(request)
    user = await require_user(request)
    services, typed = services_of(request), form.get("address", "").strip()
    async with services.database.read() as connection:
        editing = await editing_of(request, connection, user)
    parts = _web_address(typed)
    if parts is None:
        return await _review(request, user, typed, fault="must be the web address of a page that carries the tag")
    async with services.database.write() as connection:
        editing = await editing_of(request, connection, user)
        name, site_id = editing.survey.name, editing.site.id
        await record_often(connection, user.email, "survey.test.link", name, now=services.clock(), site_id=site_id)
    token = services.signing.test_token(editing.site.key, editing.survey.id, services.clock() + TEST_LASTS)
    query = "&".join(filter(None, (parts.query, f"tevreden=test.{token}")))
    return await _review(request, user, typed, link=urlunsplit(parts._replace(query=query)))


STANDARD = read_document({"name": "Standard", "metric": "csat", "language": "en", "question": "?"})
"""With nothing set but what must be."""


def _web_address(typed: str) -> SplitResult | None:
    if len(typed) > LONGEST_ADDRESS or not typed.isprintable():
        return None
    try:
        parts = urlsplit(typed if "://" in typed else f"https://{typed}")
        parts.port  # noqa: B018  raises for what is none
        is_host = parts.hostname and ("." in parts.hostname or ":" in parts.hostname or parts.hostname == "localhost")
        return parts if parts.scheme in ("http", "https") and is_host else None
    except ValueError:
        return None


def _way_to(editing: Editing, at: str) -> tuple[str, str]:
    """Where a place of the document is edited: what it is called, and the address."""
    if at.startswith("translations/"):
        _, language, own = at.split("/", 2)
        name = f"{TAB_WORDS['translations']} · {LANGUAGES[language].name}"
        return name, f"{editing.home}/edit/translations?language={language}#{replace(PLACES[own][2], at=at).id}"
    tab, _, field = PLACES[at]
    return called(at), f"{editing.home}/edit/{tab}#{field.id}"


Words = list[tuple[Field, str]]


def _settings(document: SurveyDocument) -> dict[Tab, list[tuple[Section, Words, Words]]]:
    """By tab and section, every setting in words: what was set, and what is as it is by itself."""
    values, standard = document.as_json(), STANDARD.as_json()
    found: dict[Tab, list[tuple[Section, Words, Words]]] = {}
    for tab, sections in TABS.items():
        for section in sections:
            parts: tuple[Words, Words] = [], []
            for field in section.fields:
                if is_of_use(field, values):
                    value = value_at(values, field.at)
                    words = in_words(field, value) or _unset(field, document)
                    is_standard = tab != "question" and value == value_at(standard, field.at)
                    parts[is_standard].append((field, words))
            if any(parts):
                found.setdefault(tab, []).append((section, *parts))
    return found


def _unset(field: Field, document: SurveyDocument) -> str:
    if field.standard:
        return f"{standard_text(field, document)} (standard)"
    return {"where/include": "Every page", "where/exclude": "None"}.get(field.at, "–")


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
    Route("/admin/{site}/{id:uuid}/review", review),
    Route("/admin/{site}/{id:uuid}/test", test, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/revisions/{number:int}/draft", make_draft, methods=["POST"]),
]
