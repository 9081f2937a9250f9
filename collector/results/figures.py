"""Figures and exports. Only reads; figures come from the sums that are kept with every answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from collector.responses.rollups import ALWAYS, Dimension, Span, Total, for_figures, total_of, totals_by_value
from collector.surveys.lifecycle import Survey
from collector.surveys.metrics import Figure, differs, figure, interval, scores


@dataclass(frozen=True)
class Counts:
    """How far people went; ``robots`` are responses that were flagged and stand in none of the other numbers."""

    impressions: int
    dismissals: int
    scores: int
    comments: int
    emails: int
    robots: int


@dataclass(frozen=True)
class Results:
    """``distribution`` has every score of the scale, lowest first, with its number of answers; ``interval`` is the
    95 % confidence interval of the figure, None with too few answers."""

    figure: Figure
    interval: tuple[float, float] | None
    counts: Counts
    distribution: list[tuple[int, int]]

    def as_json(self) -> dict[str, Any]:
        return {
            "headline": {
                "value": self.figure.value,
                "unit": self.figure.unit,
                "total": self.figure.total,
                "groups": dict(self.figure.groups),
                "positive_share": self.figure.positive_share,
                "interval": self.interval,
            },
            "counts": asdict(self.counts),
            "distribution": [{"score": score, "count": count} for score, count in self.distribution],
        }


@dataclass(frozen=True)
class Point:
    """Some days of a trend, one value of a breakdown, or so many ``others`` together that have no line of their own."""

    name: str
    figure: Figure
    interval: tuple[float, float] | None
    shown: int
    others: int = 0


@dataclass(frozen=True)
class Comparison:
    """The span of the same length before, its figure, and whether the two differ by more than chance, if that can be
    told."""

    span: Span
    figure: Figure
    differs: bool | None


async def results_of(connection: AsyncConnection, survey: Survey, span: Span = ALWAYS) -> Results:
    """The figures of one survey over all its revisions."""
    return results_in(survey, await total_of(connection, survey.site_id, survey.number, span))


def results_in(survey: Survey, total: Total) -> Results:
    document, people = survey.document, total.scores
    metric, points = document.metric, document.points
    return Results(
        figure(metric, points, people),
        interval(metric, points, people),
        Counts(
            total.impressions,
            total.dismissals,
            sum(people.values()),
            total.comments,
            total.emails,
            total.robots,
        ),
        [(score, people.get(score, 0)) for score in scores(metric, points)],
    )


async def compared(connection: AsyncConnection, survey: Survey, span: Span, total: Total) -> Comparison | None:
    """With the span of the same length before it; None for one without a beginning or an end."""
    if not (span.first and span.last):
        return None
    days = (span.last - span.first).days + 1
    before = Span(span.first - timedelta(days=days), span.first - timedelta(days=1))
    earlier = await total_of(connection, survey.site_id, survey.number, before)
    metric, points = survey.document.metric, survey.document.points
    return Comparison(
        before,
        figure(metric, points, earlier.scores),
        differs(metric, points, earlier.scores, total.scores),
    )


def trend(survey: Survey, days: Mapping[date, Total], span: Span) -> list[Point]:
    """By day over a month, by week over half a year, else by month; steps without answers have no figure, and the first
    and the last may be parts of one."""
    if not days:
        return []
    first, last = span.first or min(days), span.last or max(days)
    length = (last - first).days + 1
    step = _day if length <= 31 else _week if length <= 184 else _month
    steps: dict[date, Total] = {}
    for offset in range(length):
        day = first + timedelta(days=offset)
        total = steps.setdefault(step(day), Total())
        if day in days:
            total.add(days[day])
    return [_point(survey, name.isoformat(), total) for name, total in steps.items()]


def _day(day: date) -> date:
    return day


def _week(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _month(day: date) -> date:
    return day.replace(day=1)


async def breakdown(
    connection: AsyncConnection, survey: Survey, dimension: Dimension, span: Span, *, most: int = 20
) -> list[Point]:
    """One figure for each value of a dimension, those with the most answers first, and where there are more than so
    many, one for all others together: the lines always add up to everything."""
    wanted = for_figures(scores(survey.document.metric, survey.document.points))
    totals = await totals_by_value(connection, survey.site_id, survey.number, dimension, span, wanted)
    found = [_point(survey, value, total) for value, total in totals.items()]
    found.sort(key=lambda point: (-point.figure.total, -point.shown, point.name))
    if len(found) <= most + 1:  # one other can as well have the line itself
        return found
    nameless = dimension == "page" and "" in totals  # these are others already
    own = [point for point in found if point.name or not nameless][:most]
    rest = Total()
    for name in totals.keys() - {point.name for point in own}:
        rest.add(totals[name])
    return [*own, replace(_point(survey, "", rest), others=0 if nameless else len(found) - len(own))]


def _point(survey: Survey, name: str, total: Total) -> Point:
    metric, points = survey.document.metric, survey.document.points
    people = total.scores
    return Point(name, figure(metric, points, people), interval(metric, points, people), total.impressions)
