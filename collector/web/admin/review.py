"""The review of a survey before it goes live, and a link to try it on a page of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.access.audit import record_often
from collector.surveys.document import SurveyDocument
from collector.surveys.draft import value_at
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import live_document, live_revisions
from collector.surveys.review import findings_of
from collector.surveys.versions import version_of
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
from collector.web.http.auth import read_form, require_user
from collector.web.http.rendering import page
from collector.web.http.services import services_of

TEST_LASTS = timedelta(days=7)
"""How long a link shows the draft on the site's own pages."""
LONGEST_ADDRESS = 2000


async def review(request: Request) -> Response:
    """Every setting in words, what is wrong, and what a publish would change."""
    user = await require_user(request)
    return await _review(request, user)


async def _review(request: Request, user: Any, address: str = "", link: str = "", fault: str = "") -> Response:
    async with services_of(request).database.read() as connection:
        editing = await editing_of(request, connection, user)
        live = await live_document(connection, editing.survey)
        problems = findings_of(editing.survey, await live_revisions(connection, editing.site.id))
    sample = next((one for one in editing.survey.document.where.include if "*" not in one and "." in one), "")
    return page(
        "review.html",
        status=422 if fault else 200,
        editing=editing,
        user=editing.user,
        site=editing.site,
        survey=editing.survey,
        version=version_of(editing.survey),
        tabs=TAB_WORDS,
        problems=[(one, *_way_to(editing, one.at)) for one in problems],
        differences=_differences(live, editing.survey.document) if live else None,
        settings=_settings(editing.survey.document),
        languages=LANGUAGES,
        address=address or sample,
        link=link,
        fault=fault,
    )


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


def _web_address(typed: str) -> SplitResult | None:
    if len(typed) > LONGEST_ADDRESS or not typed.isprintable():
        return None
    try:
        parts = urlsplit(typed if "://" in typed else f"https://{typed}")
        parts.port  # noqa: B018  raises for what is none
        return parts if parts.scheme in ("http", "https") and parts.hostname else None
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
    Route("/admin/{site}/{id:uuid}/review", review),
    Route("/admin/{site}/{id:uuid}/test", test, methods=["POST"]),
]
