"""What came of a survey: its figures, its responses, each by itself, and all as a file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from collector.access.accounts import Role, User
from collector.access.audit import record
from collector.access.roles import allows, site_for
from collector.access.sites import Site
from collector.db.moments import moment
from collector.db.store import Database
from collector.db.text import is_blank, is_text
from collector.errors import NotFound, SignInNeeded, Unavailable
from collector.responses.reading import Filter, get_response, history_of, list_responses, moment_of
from collector.responses.rollups import ALWAYS, DIMENSIONS, Dimension, Span, Total, totals_by_day
from collector.results.exports import Piece, count_responses, export_csv, export_json, export_xlsx, framed
from collector.results.figures import Point, Results, breakdown, compared, results_in, trend
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import Survey, get_revision, get_survey, has_changes
from collector.surveys.metrics import GOOD_RANGE, GROUPS, Group, group_of
from collector.surveys.versions import version_of
from collector.web.admin.fields import TAB_WORDS
from collector.web.admin.figures import GROUP_NAMES, SAY, chart
from collector.web.admin.live_list import marks_of, name_of, news_in
from collector.web.http.auth import require_user
from collector.web.http.rendering import page
from collector.web.http.services import services_of
from collector.web.visitors.addresses import own_page

LATEST = 50
"""Responses on the results page at once."""
LOOKED_THROUGH = 20_000
"""Responses that one search goes through; the next goes on from there."""
LONGEST_SEARCH = 200
PERIODS = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "12 months", "all": "All time"}
USUAL = "30"
STOP_POLLING = 286
"""What htmx takes for the last answer."""
DIMENSION_NAMES: dict[Dimension, str] = {
    "page": "Page",
    "device": "Device",
    "language": "Language",
    "revision": "Revision",
}


@dataclass(frozen=True)
class View:
    """What someone looks at: a period, and which of its responses."""

    period: str
    span: Span
    group: Group | None
    words: str | None
    commented: bool
    cursor: str | None

    def wanted(self, survey: Survey) -> Filter:
        first, last = self.span.first, self.span.last
        return Filter(
            survey_id=survey.id,
            bot=False,
            group=self.group,
            commented=True if self.commented else None,
            words=self.words,
            since=datetime.combine(first, time(), UTC) if first else None,
            until=datetime.combine(last + timedelta(days=1), time(), UTC) if last else None,
        )

    def query(self, **changed: str | None) -> str:
        """The address of the same with something changed."""
        own = {"from": _iso(self.span.first), "to": _iso(self.span.last)} if self.period == "own" else {}
        said = {
            "period": None if self.period in (USUAL, "own") else self.period,
            **own,
            "group": self.group,
            "words": self.words,
            "commented": "yes" if self.commented else None,
            **changed,
        }
        return urlencode({name: value for name, value in said.items() if value})


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def read_view(query: QueryParams, today: date) -> View:
    """What the address asks for; what it can't mean is as if it were not there."""
    first, last = (day and min(day, today) for day in (_day(query.get("from", "")), _day(query.get("to", ""))))
    period = query.get("period", USUAL)
    if first or last:
        if first and last and first > last:
            first, last = last, first
        period, span = "own", Span(first, last or today)
    else:
        period = period if period in PERIODS else USUAL
        span = ALWAYS if period == "all" else Span(today - timedelta(days=int(period) - 1), today)
    group = next((one for one in GROUPS if one == query.get("group")), None)
    words = query.get("words", "").strip()[:LONGEST_SEARCH]
    words = "" if is_blank(words) or not is_text(words) else words
    return View(period, span, group, words or None, "commented" in query, query.get("cursor"))


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if date(2000, 1, 1) <= found < date(9000, 1, 1) else None


LONGEST_NAME = 180
"""Bytes of a file's name without its ending: systems take 255, and mark copies behind it."""


async def results(request: Request) -> Response:
    """What came of one survey in a period."""
    user = await require_user(request)
    services = services_of(request)
    view = read_view(request.query_params, services.clock().date())
    async with services.database.read() as connection:
        site, role, survey = await _survey(request, connection, user)
        values = await figures_of(connection, survey, view)
        changed = await has_changes(connection, survey)
        latest, following = await list_responses(
            connection,
            site.id,
            view.wanted(survey),
            limit=LATEST,
            cursor=view.cursor,
            look_through=LOOKED_THROUGH,
        )
        parts = {name: await breakdown(connection, survey, name, view.span) for name in DIMENSIONS}
    metric, points = survey.document.metric, survey.document.points
    trended = trend(survey, values["days"], view.span)
    return page(
        "results.html",
        user=user,
        own_page=own_page(services.settings.public_url, site, survey),
        changed=changed,
        tabs=TAB_WORDS,
        periods=PERIODS,
        points=trended,
        chart=chart(metric, trended),
        parts=[(DIMENSION_NAMES[name], [(_value(name, one), one) for one in parts[name]]) for name in DIMENSION_NAMES],
        bars=_bars(values["results"]),
        group_of=lambda score: group_of(metric, points, score),
        label=lambda score: _label(survey, score),
        groups=GROUPS,
        **_list(latest, following, values),
        **_common(site, role, survey, view),
        **values,
    )


async def news(request: Request) -> Response:
    """What has changed in the list and the figures that an open page shows."""
    try:
        user = await require_user(request)
    except SignInNeeded:
        return Response(status_code=STOP_POLLING)
    services = services_of(request)
    view = replace(read_view(request.query_params, services.clock().date()), cursor=None)
    async with services.database.read() as connection:
        site, role, survey = await _survey(request, connection, user)
        latest, following = await list_responses(
            connection, site.id, view.wanted(survey), limit=LATEST, look_through=LOOKED_THROUGH
        )
        values = await figures_of(connection, survey, view)
    changes = news_in(latest, values["results"], request.query_params.get("known", ""))
    if changes is None:
        return Response(status_code=204)
    return page(
        "news.html", changes=changes, **_list(latest, following, values), **_common(site, role, survey, view), **values
    )


def _list(latest: Sequence[Any], following: str | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the list of responses needs, on the page and in what comes to it later."""
    return {
        "latest": latest,
        "following": following,
        "looked_back_to": moment_of(following) if following and len(latest) < LATEST else None,
        "known": marks_of(latest, values["results"]),
        "row_name": name_of,
    }


async def figures_of(connection: AsyncConnection, survey: Survey, view: View) -> dict[str, Any]:
    """What the head of the page says of a period."""
    days = await totals_by_day(connection, survey.site_id, survey.number, view.span)
    total = Total()
    for one in days.values():
        total.add(one)
    return {
        "days": days,
        "results": results_in(survey, total),
        "before": await compared(connection, survey, view.span, total),
    }


def _common(site: Site, role: Role, survey: Survey, view: View) -> dict[str, Any]:
    return {
        "site": site,
        "survey": survey,
        "may_edit": allows(role, "editor"),
        "view": view,
        "home": f"/admin/{site.key}/{survey.id}",
        "names": GROUP_NAMES[survey.document.metric],
        "good_range": GOOD_RANGE[survey.document.metric],
        "say": SAY,
        "version": version_of(survey),
        "moment": moment,
    }


async def response(request: Request) -> Response:
    """One response with all that is known of it, and what happened around it."""
    user = await require_user(request)
    async with services_of(request).database.read() as connection:
        site, role, survey = await _survey(request, connection, user)
        found = await get_response(connection, site.id, request.path_params["response"])
        if found.survey_id != survey.id:
            raise NotFound("This survey has no such response.")
        history = await history_of(connection, found)
        asked = (await get_revision(connection, site.id, survey.key, found.revision)).document
    view = read_view(QueryParams(), found.created_at.date())
    return page(
        "response.html",
        user=user,
        response=found,
        history=history,
        asked=asked,
        changed=False,
        tabs=TAB_WORDS,
        **_common(site, role, survey, view),
    )


# ---- files

Export = Callable[[Database, Survey], AsyncIterator[Piece]]
FRAMED = "application/octet-stream"
EXPORTS: dict[str, tuple[Export, str]] = {
    "csv": (export_csv, "text/csv; charset=utf-8"),
    "json": (export_json, "application/json"),
    "xlsx": (export_xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}
"""By the ending of the name."""


async def responses_file(request: Request) -> Response:
    """All responses of one survey, as a file; ``framed`` for the page that says how far it is."""
    user = await require_user(request)
    ending = request.path_params["ending"]
    if ending not in EXPORTS:
        raise NotFound(f"Responses come as {', '.join(EXPORTS)}.")
    export, media_type = EXPORTS[ending]
    services = services_of(request)
    async with services.database.read() as connection:
        _, _, survey = await _survey(request, connection, user)
        rows = await count_responses(connection, survey) if "framed" in request.query_params else None
    with suppress(Unavailable):  # who can store nothing any more has all the more reason to take what there is
        async with services.database.write() as connection:
            words, now = f"{survey.name} as {ending}", services.clock()
            await record(connection, user.email, "responses.exported", words, now=now, site_id=survey.site_id)

    async def pieces() -> AsyncIterator[bytes]:
        made = export(services.database, survey)
        async for piece in (data async for _, data in made) if rows is None else framed(made):
            yield piece

    headers = {"Content-Disposition": attachment(survey.name, survey.key, ending), "Cache-Control": "no-store"}
    if rows is None:
        return StreamingResponse(pieces(), media_type=media_type, headers=headers)
    return StreamingResponse(pieces(), media_type=FRAMED, headers={**headers, "X-Rows": str(rows)})


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


def _bars(results: Results) -> list[tuple[int, int, float]]:
    """For each score its count, and how long its bar is out of 100."""
    largest = max(count for _, count in results.distribution) or 1
    return [(score, count, round(count / largest * 100, 2)) for score, count in results.distribution]


def _label(survey: Survey, score: int) -> str:
    if survey.document.metric != "csat":
        return ""
    return LANGUAGES["en"].satisfaction_labels(survey.document.points)[score - 1]


def _value(dimension: Dimension, point: Point) -> str:
    """A value of a dimension, as people say it."""
    value = point.name
    if point.others:
        return f"{point.others} other {DIMENSION_NAMES[dimension].lower()}s"
    if not value:
        return "All other pages" if dimension == "page" else "Not known"
    if dimension == "language":
        return LANGUAGES[value].name if value in LANGUAGES else value
    return f"Revision {value}" if dimension == "revision" else value.capitalize() if dimension == "device" else value


routes = [
    Route("/admin/{site}/{id:uuid}", results),
    Route("/admin/{site}/{id:uuid}/news", news),
    Route("/admin/{site}/{id:uuid}/responses.{ending}", responses_file),
    Route("/admin/{site}/{id:uuid}/responses/{response:uuid}", response),
]
