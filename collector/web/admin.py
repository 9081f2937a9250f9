"""What came of a survey: its figures and its responses."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from collector.metrics import GOOD_RANGE, Figure, Group, Metric, group_of
from collector.responses.reading import Filter, list_responses
from collector.results import Results, export_csv, results_of
from collector.schema import moment
from collector.sites import Site, site_by_key
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import Survey, get_survey, has_changes
from collector.web.auth import signed_in
from collector.web.fields import TAB_WORDS
from collector.web.http import house_of, page
from collector.web.resources import own_page

LATEST = 50
"""Responses on the results page."""

GROUP_NAMES: Mapping[Metric, Mapping[Group, str]] = {
    "csat": {"negative": "Dissatisfied", "neutral": "Neutral", "positive": "Satisfied"},
    "nps": {"negative": "Detractors", "neutral": "Passives", "positive": "Promoters"},
    "ces": {"negative": "Difficult", "neutral": "Neutral", "positive": "Easy"},
}


async def results(request: Request) -> Response:
    """What came of one survey."""
    user = await signed_in(request)
    if user is None:
        return RedirectResponse("/admin/sign-in", 303)
    async with house_of(request).database.read() as connection:
        site, survey = await _survey(request, connection)
        found = await results_of(connection, survey)
        changed = await has_changes(connection, survey)
        latest, _ = await list_responses(connection, site.id, Filter(survey_id=survey.id, bot=False), limit=LATEST)
    metric, points = survey.document.metric, survey.document.points
    return page(
        "results.html",
        user=user,
        site=site,
        survey=survey,
        own_page=own_page(house_of(request).settings.public_url, site, survey),
        results=found,
        changed=changed,
        tabs=TAB_WORDS,
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
    Route("/admin/{site}/{id:uuid}", results),
    Route("/admin/{site}/{id:uuid}/responses.csv", responses_csv),
]
