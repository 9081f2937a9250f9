"""The first page of a site: what is left to set up, its key figures, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.access.roles import site_for
from collector.access.sites import Site
from collector.db.moments import moment
from collector.responses.reading import Filter, is_sample, list_responses
from collector.responses.rollups import Span, Total, totals_by_day
from collector.results.figures import before, compared, results_in, total_within
from collector.surveys.lifecycle import Survey, list_surveys
from collector.surveys.metrics import Figure, scores
from collector.surveys.revisions import changed_surveys
from collector.web.admin.figures import SAY, Delta, delta_of, show_change, show_figure, spark
from collector.web.admin.shell import admin_page
from collector.web.http.auth import require_user
from collector.web.http.services import services_of
from collector.web.visitors.addresses import tag

DAYS = 30
MOST_FIGURES = 6
"""Published surveys with the most responses of which the figures are shown."""
LATEST = 5
LOOKED_THROUGH = 2_000


@dataclass(frozen=True)
class Step:
    """Something to set up; ``told`` says what is there, ``press`` what to do about it."""

    name: str
    done: bool
    told: str = ""
    address: str = ""
    press: str = ""
    tag: str = ""


@dataclass(frozen=True)
class KeyFigure:
    survey: Survey
    figure: Figure
    interval: tuple[float, float] | None
    delta: Delta
    change: str
    differs: bool
    before: Figure
    spark: str

    @property
    def metric(self) -> str:
        return self.survey.document.metric


@dataclass(frozen=True)
class Happened:
    """Something that is worth a look; ``press`` leads to the review."""

    symbol: str
    title: str
    survey: str
    address: str
    detail: str
    press: str = ""


async def home(request: Request) -> Response:
    user = await require_user(request)
    services = services_of(request)
    async with services.database.read() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "viewer")
        today = services.clock().astimezone(site.settings.zone).date()
        surveys = [one for one in await list_surveys(connection, site.id) if one.status != "archived"]
        changed = await changed_surveys(connection, site.id)
        span = Span(today - timedelta(days=DAYS - 1), today)
        figures = [await _key_figure(connection, one, span) for one in surveys if one.revision]
        commented = Filter(bot=False, commented=True)
        comments, _ = await list_responses(connection, site.id, commented, limit=LATEST, look_through=LOOKED_THROUGH)
        answered, _ = await list_responses(connection, site.id, Filter(), limit=1)
    figures.sort(key=lambda one: -one.figure.total)
    at = f"/admin/{site.key}"
    tops = {one.key: scores(one.document.metric, one.document.points)[-1] for one in surveys}
    return await admin_page(
        request,
        "home.html",
        user=user,
        site=site,
        here="home",
        at=at,
        days=DAYS,
        today=today,
        demo=services.examples is not None,
        steps=_steps(site, services.settings.public_url, at, surveys, answered, any(one.spark for one in figures)),
        key_figures=[one for one in figures if one.survey.status == "published"][:MOST_FIGURES],
        events=_events(at, surveys, changed, figures),
        comments=comments,
        has_samples=any(is_sample(one.id) for one in comments),
        most_of=lambda row: tops.get(row.survey_key, 10),
        say=SAY,
        moment=moment,
        zone=site.settings.zone,
    )


async def _key_figure(connection: AsyncConnection, survey: Survey, span: Span) -> KeyFigure:
    earlier = before(span)
    assert earlier
    assert span.last
    days = await totals_by_day(connection, survey.site_id, survey.number, Span(earlier.first, span.last))
    total: Total = total_within(days, span)
    found = results_in(survey, total)
    then = compared(survey, earlier, total_within(days, earlier), total)
    answers = {day: sum(one.scores.values()) for day, one in days.items()}
    return KeyFigure(
        survey,
        found.figure,
        found.interval,
        delta_of(then.figure, found.figure, then.differs),
        show_change(then.figure, found.figure, then.differs).removesuffix(".") if then.figure.total else "",
        bool(then.differs),
        then.figure,
        spark(answers, span.last),
    )


def _steps(
    site: Site, url: str, at: str, surveys: Sequence[Survey], answered: Sequence[Row[Any]], is_seen: bool
) -> list[Step]:
    """What is left until the first response; a tag is known to be there once a page asked for its script, or a survey
    was shown or answered by it."""
    seen_on = site.tag_seen_on
    is_there = is_seen or bool(answered or seen_on)
    published = [one for one in surveys if one.revision is not None]
    draft = next(iter(surveys), None)
    many = f"{len(surveys)} survey{'' if len(surveys) == 1 else 's'}"
    return [
        Step("Add a site", True, site.name),
        Step("Create a survey", bool(surveys), many, f"{at}/new", "Create survey"),
        Step(
            "Publish it",
            bool(published),
            "Visitors see nothing before that",
            f"{at}/{draft.id}/review" if draft else "",
            "Review and publish",
        ),
        Step("Install the tag", is_there, f"Seen on {seen_on}" if seen_on else "It works", tag=tag(url, site.key)),
        Step("Get the first response", bool(answered), "It will be here at once"),
    ]


def _events(at: str, surveys: Sequence[Survey], changed: set[int], figures: Sequence[KeyFigure]) -> list[Happened]:
    found = []
    for one in figures:
        if one.differs and one.delta.text:
            way = "rose" if one.delta.up else "fell"
            title = f"{one.metric.upper()} {way} {one.delta.text} to {show_figure(one.figure)}"
            detail = f"Significant change · {one.figure.total:,} responses against {one.before.total:,}"
            symbol = "insights" if one.delta.up else "warning"
            found.append(Happened(symbol, title, one.survey.name, f"{at}/{one.survey.id}", detail))
    for survey in surveys:
        if survey.number in changed:
            detail = f"Visitors still see revision {survey.revision}"
            address = f"{at}/{survey.id}"
            found.append(Happened("edit", "Unpublished changes", survey.name, address, detail, "Review"))
    return found


routes = [Route("/admin/{site}", home)]
