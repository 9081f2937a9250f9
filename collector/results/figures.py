"""Figures and exports. Only reads; figures come from the sums that are kept with every answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any, Literal

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
    """Some days of a trend, one value of a breakdown, or so many ``others`` together that have no line of their own.

    ``alone`` is how many answers of a trend's point came in its last step, without those before that it takes along.
    """

    name: str
    figure: Figure
    interval: tuple[float, float] | None
    shown: int
    others: int = 0
    alone: int = 0


@dataclass(frozen=True)
class Comparison:
    """The span of the same length before, its figure and counts, and whether the two figures differ by more than
    chance, if that can be told."""

    span: Span
    figure: Figure
    counts: Counts
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
        counts_in(total),
        [(score, people.get(score, 0)) for score in scores(metric, points)],
    )


def counts_in(total: Total) -> Counts:
    answers = sum(total.scores.values())
    return Counts(total.impressions, total.dismissals, answers, total.comments, total.emails, total.robots)


def total_within(days: Mapping[date, Total], span: Span) -> Total:
    """What was counted on the days of a span."""
    found = Total()
    for day, one in days.items():
        if (span.first is None or day >= span.first) and (span.last is None or day <= span.last):
            found.add(one)
    return found


def before(span: Span) -> Span | None:
    """The span of the same length before it; None for one without a beginning or an end."""
    if not (span.first and span.last):
        return None
    days = (span.last - span.first).days + 1
    return Span(span.first - timedelta(days=days), span.first - timedelta(days=1))


def compared(survey: Survey, span: Span, earlier: Total, total: Total) -> Comparison:
    """What was counted in a span with what was counted in ``span``, which is the one before it."""
    metric, points = survey.document.metric, survey.document.points
    return Comparison(
        span,
        figure(metric, points, earlier.scores),
        counts_in(earlier),
        differs(metric, points, earlier.scores, total.scores),
    )


ENOUGH = 20
"""Answers that a point of a trend has, where days can be taken together for it."""
WINDOWS = (1, 7, 14, 28)
"""Days that a point of a trend may look back over."""
LONGEST_BY_DAY, LONGEST_BY_WEEK = 92, 184


@dataclass(frozen=True)
class Trend:
    """``window`` is over how many days each point is, by day; None where they are weeks or months side by side."""

    points: Sequence[Point]
    step: Literal["day", "week", "month"]
    window: int | None


def trend(survey: Survey, days: Mapping[date, Total], span: Span, window: int | None = None) -> Trend:
    """By day over a quarter, each point over so many days that it has some `ENOUGH` answers; by week over half a year,
    else by month. Steps without answers have no figure. ``days`` may begin before the span, as far as windows reach;
    ``window`` is for one that is compared with another.
    """
    within = {day: one for day, one in days.items() if span.first is None or day >= span.first}
    if not within:
        return Trend([], "day", 1)
    first, last = span.first or min(within), span.last or max(within)
    length = (last - first).days + 1
    every = [first + timedelta(days=offset) for offset in range(length)]
    if length <= LONGEST_BY_DAY:
        window = window or _window(within, length)
        return Trend([_rolling(survey, days, day, window) for day in every], "day", window)
    step = _week if length <= LONGEST_BY_WEEK else _month
    steps: dict[date, Total] = {}
    for day in every:
        total = steps.setdefault(step(day), Total())
        if day in within:
            total.add(within[day])
    points = [replace(one, alone=one.figure.total) for one in (_point(survey, *each) for each in _named(steps))]
    return Trend(points, "week" if step is _week else "month", None)


def _named(steps: Mapping[date, Total]) -> list[tuple[str, Total]]:
    return [(day.isoformat(), total) for day, total in steps.items()]


def _window(days: Mapping[date, Total], length: int) -> int:
    """The fewest days that have some `ENOUGH` answers together on average, or else the most there are."""
    answers = sum(sum(one.scores.values()) for one in days.values())
    return next((one for one in WINDOWS if one * answers >= ENOUGH * length), WINDOWS[-1])


def _rolling(survey: Survey, days: Mapping[date, Total], day: date, window: int) -> Point:
    """The days up to this one."""
    total = Total()
    for ago in range(window):
        total.add(days.get(day - timedelta(days=ago), Total()))
    own = days.get(day)
    return replace(_point(survey, day.isoformat(), total), alone=sum(own.scores.values()) if own else 0)


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
