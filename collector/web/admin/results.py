"""What came of a survey: its figures, and all of its responses as a file."""

from __future__ import annotations

import re
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from collector.access.accounts import Role, User
from collector.access.audit import record
from collector.access.roles import allows, site_for
from collector.access.sites import Site
from collector.db.store import Database
from collector.errors import NotFound, SignInNeeded, Unavailable
from collector.responses.rollups import DIMENSIONS, Dimension, Span, totals_by_day
from collector.results.exports import Piece, Selection, count_responses, export_csv, export_json, export_xlsx, framed
from collector.results.figures import (
    WINDOWS,
    Point,
    Trend,
    before,
    breakdown,
    compared,
    results_in,
    total_within,
    trend,
)
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import Survey, get_survey, has_changes
from collector.surveys.metrics import GOOD_RANGE, group_of
from collector.surveys.versions import version_of
from collector.web.admin.figures import GROUP_NAMES, SAY, bars_of, chart, delta_of, rate_delta, whisker
from collector.web.admin.shell import admin_page
from collector.web.admin.view import PERIODS, View, view_of
from collector.web.http.auth import require_user
from collector.web.http.rendering import page
from collector.web.http.services import services_of
from collector.web.visitors.addresses import own_page

STOP_POLLING = 286
"""What htmx takes for the last answer."""
FEW = 10
"""Answers below which a line of a breakdown has no figure."""
DIMENSION_NAMES: dict[Dimension, str] = {
    "page": "Page",
    "device": "Device",
    "language": "Language",
    "revision": "Revision",
}
STEP_WORDS = {"day": "by day", "week": "by week", "month": "by month"}


async def summary(request: Request) -> Response:
    """The figures of one survey in a period."""
    user = await require_user(request)
    services = services_of(request)
    async with services.database.read() as connection:
        site, role, survey = await _survey(request, connection, user)
        view = view_of(request, site).for_figures()
        values = await _figures(connection, survey, view)
        changed = await has_changes(connection, survey)
        by = _dimension(request)
        parts = await breakdown(connection, survey, by, view.span)
    return await admin_page(
        request,
        "summary.html",
        user=user,
        site=site,
        here="surveys",
        changed=changed,
        own_page=own_page(services.settings.public_url, site, survey),
        periods=PERIODS,
        by=by,
        dimensions=DIMENSION_NAMES,
        parts=[_part(survey, by, one) for one in parts],
        may_edit=allows(role, "editor"),
        version=version_of(survey),
        **_common(site, survey, view),
        **values,
    )


async def news(request: Request) -> Response:
    """The figures anew, where they are no longer those that an open page shows."""
    try:
        user = await require_user(request)
    except SignInNeeded:
        return Response(status_code=STOP_POLLING)
    services = services_of(request)
    async with services.database.read() as connection:
        site, _, survey = await _survey(request, connection, user)
        view = view_of(request, site).for_figures()
        values = await _figures(connection, survey, view)
        by = _dimension(request)
        parts = await breakdown(connection, survey, by, view.span)
    if request.query_params.get("known") == values["known"]:
        return Response(status_code=204)
    return page(
        "summary_news.html",
        by=by,
        dimensions=DIMENSION_NAMES,
        parts=[_part(survey, by, one) for one in parts],
        **_common(site, survey, view),
        **values,
    )


async def _figures(connection: AsyncConnection, survey: Survey, view: View) -> dict[str, Any]:
    """Everything that a page says of a period."""
    span, earlier = view.span, before(view.span)
    first = earlier.first if earlier else span.first
    reach = first - timedelta(days=WINDOWS[-1]) if first else None
    days = await totals_by_day(connection, survey.site_id, survey.number, Span(reach, span.last), view.only)
    total = total_within(days, span)
    found = results_in(survey, total)
    then = compared(survey, earlier, total_within(days, earlier), total) if earlier else None
    trended = trend(survey, days, span)
    trended_before = trend(survey, days, earlier, trended.window) if earlier else None
    metric, points = survey.document.metric, survey.document.points
    return {
        "results": found,
        "before": then,
        "delta": delta_of(then.figure if then else None, found.figure, then.differs if then else None),
        "rate_delta": rate_delta,
        "trend": trended,
        "trend_words": _trend_words(trended),
        "chart": chart(metric, trended, trended_before),
        "bars": bars_of(metric, points, found),
        "label": lambda score: _label(survey, score),
        "group_of": lambda score: group_of(metric, points, score),
        "known": _mark(found, trended),
    }


def _trend_words(found: Trend) -> str:
    if found.window is None:
        return STEP_WORDS[found.step]
    return "by day" if found.window == 1 else f"{found.window}-day rolling score"


def _mark(*shown: object) -> str:
    """Short for what a page shows, to ask later whether it is the same."""
    return urlsafe_b64encode(sha256(repr(shown).encode()).digest()).decode()[:12]


def _common(site: Site, survey: Survey, view: View) -> dict[str, Any]:
    return {
        "survey": survey,
        "time_zone": site.settings.time_zone,
        "view": view,
        "home": f"/admin/{site.key}/{survey.id}",
        "names": GROUP_NAMES[survey.document.metric],
        "good_range": GOOD_RANGE[survey.document.metric],
        "say": SAY,
        "filters": [(name, value, said_of(name, value)) for name, value in (view.values or {}).items()],
    }


def _dimension(request: Request) -> Dimension:
    asked = request.query_params.get("by", "")
    return next((one for one in DIMENSIONS if one == asked), "page")


@dataclass(frozen=True)
class Part:
    """A line of a breakdown; ``value`` is empty where it cannot be filtered by."""

    name: str
    value: str
    point: Point
    is_enough: bool
    whisker: Any


def _part(survey: Survey, dimension: Dimension, point: Point) -> Part:
    enough = point.figure.total >= FEW
    drawn = whisker(survey.document.metric, point) if enough else None
    return Part(_value(dimension, point), "" if point.others else point.name, point, enough, drawn)


# ---- files

Export = Callable[[Database, Selection], AsyncIterator[Piece]]
FRAMED = "application/octet-stream"
EXPORTS: dict[str, tuple[Export, str]] = {
    "csv": (export_csv, "text/csv; charset=utf-8"),
    "json": (export_json, "application/json"),
    "xlsx": (export_xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}
"""By the ending of the name."""
LONGEST_NAME = 180
"""Bytes of a file's name without its ending: systems take 255, and mark copies behind it."""


async def responses_file(request: Request) -> Response:
    """Responses of one survey or of all of a site, as a file: everything, or with ``view`` what the rest of the address
    lets through; ``framed`` for the page that says how far it is."""
    user = await require_user(request)
    ending = request.path_params["ending"]
    if ending not in EXPORTS:
        raise NotFound(f"Responses come as {', '.join(EXPORTS)}.")
    export, media_type = EXPORTS[ending]
    services = services_of(request)
    async with services.database.read() as connection:
        site, selection = await _selection(request, connection, user)
        rows = await count_responses(connection, selection) if "framed" in request.query_params else None
    survey = selection.survey
    name, key = (survey.name, survey.key) if survey else (site.name, site.key)
    with suppress(Unavailable):  # who can store nothing any more has all the more reason to take what there is
        async with services.database.write() as connection:
            words, now = f"{name} as {ending}", services.clock()
            await record(connection, user.email, "responses.exported", words, now=now, site_id=site.id)

    async def pieces() -> AsyncIterator[bytes]:
        made = export(services.database, selection)
        async for piece in (data async for _, data in made) if rows is None else framed(made):
            yield piece

    headers = {"Content-Disposition": attachment(name, key, ending), "Cache-Control": "no-store"}
    if rows is None:
        return StreamingResponse(pieces(), media_type=media_type, headers=headers)
    return StreamingResponse(pieces(), media_type=FRAMED, headers={**headers, "X-Rows": str(rows)})


async def _selection(request: Request, connection: AsyncConnection, user: User) -> tuple[Site, Selection]:
    site, _ = await site_for(connection, user, request.path_params["site"], "viewer")
    survey = await get_survey(connection, site.id, request.path_params["id"]) if "id" in request.path_params else None
    if "view" not in request.query_params:
        return site, Selection(site.id, survey)
    view = view_of(request, site)
    return site, Selection(site.id, survey, view.wanted(survey.id if survey else view.survey))


def attachment(name: str, key: str, ending: str) -> str:
    """A header that names a file after a survey (RFC 6266): in its own letters, and for old programs in ASCII."""
    own = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", name)).strip("-").lower()
    while len(own.encode()) > LONGEST_NAME:
        own = own[:-1]
    plain = unicodedata.normalize("NFKD", own).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or key
    header = f'attachment; filename="{plain}.{ending}"'
    return header if own in (plain, "") else f"{header}; filename*=UTF-8''{quote(f'{own}.{ending}')}"


async def _survey(request: Request, connection: AsyncConnection, user: User) -> tuple[Site, Role, Survey]:
    site, role = await site_for(connection, user, request.path_params["site"], "viewer")
    return site, role, await get_survey(connection, site.id, request.path_params["id"])


def _label(survey: Survey, score: int) -> str:
    if survey.document.metric != "csat":
        return ""
    return LANGUAGES["en"].satisfaction_labels(survey.document.points)[score - 1]


def _value(dimension: Dimension, point: Point) -> str:
    """A value of a dimension, as people say it."""
    if point.others:
        return f"{point.others} other {DIMENSION_NAMES[dimension].lower()}s"
    if not point.name:
        return "All other pages" if dimension == "page" else "Not known"
    return said_of(dimension, point.name)


def said_of(dimension: Dimension, value: str) -> str:
    if dimension == "language":
        return LANGUAGES[value].name if value in LANGUAGES else value
    return f"Revision {value}" if dimension == "revision" else value.capitalize() if dimension == "device" else value


routes = [
    Route("/admin/{site}/{id:uuid}", summary),
    Route("/admin/{site}/{id:uuid}/news", news),
    Route("/admin/{site}/{id:uuid}/responses.{ending}", responses_file),
    Route("/admin/{site}/responses.{ending}", responses_file),
]
