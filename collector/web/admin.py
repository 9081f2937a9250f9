"""Pages for site owners: the surveys, and what came of each."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from collector.metrics import GOOD_RANGE, Figure, Group, Metric, figure, group_of
from collector.responses.reading import Filter, list_responses
from collector.results import Results, export_csv, results_of
from collector.rollups import Total, totals_by_survey
from collector.schema import moment
from collector.sites import Site, list_sites, site_by_key
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import Survey, get_survey, list_surveys
from collector.web.auth import signed_in
from collector.web.http import house_of, page
from collector.web.resources import frozen_tag, own_page, tag

LATEST = 50
"""Responses on the results page."""

GROUP_NAMES: Mapping[Metric, Mapping[Group, str]] = {
    "csat": {"negative": "Dissatisfied", "neutral": "Neutral", "positive": "Satisfied"},
    "nps": {"negative": "Detractors", "neutral": "Passives", "positive": "Promoters"},
    "ces": {"negative": "Difficult", "neutral": "Neutral", "positive": "Easy"},
}


@dataclass(frozen=True)
class Line:
    """One survey in the list."""

    survey: Survey
    figure: Figure


async def overview(request: Request) -> Response:
    """Every site with its surveys, their status, headline figure and number of answers."""
    user = await signed_in(request)
    if user is None:
        return RedirectResponse("/admin/sign-in", 303)
    house = house_of(request)
    found: list[tuple[Site, list[Line]]] = []
    async with house.database.read() as connection:
        for site in await list_sites(connection):
            totals = await totals_by_survey(connection, site.id)
            surveys = await list_surveys(connection, site.id)
            found.append((site, [_line(survey, totals.get(survey.id, Total()).scores) for survey in surveys]))
    url = house.settings.public_url
    return page(
        "overview.html",
        user=user,
        sites=found,
        tag_of=lambda site: tag(url, site.key),
        frozen_tag_of=lambda site: frozen_tag(url, site.key),
        demo=house.examples is not None,
        show=show_figure,
    )


async def results(request: Request) -> Response:
    """What came of one survey."""
    user = await signed_in(request)
    if user is None:
        return RedirectResponse("/admin/sign-in", 303)
    async with house_of(request).database.read() as connection:
        site, survey = await _survey(request, connection)
        found = await results_of(connection, survey)
        latest, _ = await list_responses(connection, site.id, Filter(survey_id=survey.id, bot=False), limit=LATEST)
    metric, points = survey.document.metric, survey.document.points
    return page(
        "results.html",
        user=user,
        site=site,
        survey=survey,
        own_page=own_page(house_of(request).settings.public_url, site, survey),
        results=found,
        latest=latest,
        bars=_bars(found),
        good_range=GOOD_RANGE[metric],
        group_of=lambda score: group_of(metric, points, score),
        names=GROUP_NAMES[metric],
        label=lambda score: _label(survey, score),
        show=show_figure,
        moment=moment,
    )


async def responses_csv(request: Request) -> Response:
    """All responses of one survey, as a file."""
    if await signed_in(request) is None:
        return RedirectResponse("/admin/sign-in", 303)
    house = house_of(request)
    async with house.database.read() as connection:
        _, survey = await _survey(request, connection)
    name = re.sub(r"[^A-Za-z0-9]+", "-", survey.name).strip("-").lower() or survey.key

    async def lines() -> AsyncIterator[bytes]:
        async with house.database.read() as connection:
            async for part in export_csv(connection, survey):
                yield part

    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


async def _survey(request: Request, connection: AsyncConnection) -> tuple[Site, Survey]:
    site = await site_by_key(connection, request.path_params["site"])
    return site, await get_survey(connection, site.id, request.path_params["id"])


def _line(survey: Survey, counts: Mapping[int, int]) -> Line:
    return Line(survey, figure(survey.document.metric, survey.document.points, counts))


def _bars(results: Results) -> list[tuple[int, int, float]]:
    """For each score its count, and how long its bar is out of 100."""
    largest = max(count for _, count in results.distribution) or 1
    return [(score, count, round(count / largest * 100, 2)) for score, count in results.distribution]


def _label(survey: Survey, score: int) -> str:
    if survey.document.metric != "csat":
        return ""
    return LANGUAGES["en"].satisfaction_labels(survey.document.points)[score - 1]


def show_figure(found: Figure) -> str:
    """A headline figure for people: 82 %, +34, 5.6, or a dash while there is none."""
    if found.value is None:
        return "–"
    if found.unit == "percent":
        return f"{found.value:.0f} %"
    return f"{found.value:+.0f}".replace("-", "−") if found.unit == "points" else f"{found.value:.1f}"


routes = [
    Route("/admin", overview),
    Route("/admin/{site}/{id:uuid}", results),
    Route("/admin/{site}/{id:uuid}/responses.csv", responses_csv),
]
