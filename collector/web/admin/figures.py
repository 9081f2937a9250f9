"""Figures as people read them, and the lines that draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import zip_longest
from typing import Literal

from collector.results.figures import Point, Results, Trend
from collector.surveys.metrics import GOOD_RANGE, Figure, Group, Metric, group_of

GROUP_NAMES: Mapping[Metric, Mapping[Group, str]] = {
    "csat": {"negative": "Dissatisfied", "neutral": "Neutral", "positive": "Satisfied"},
    "nps": {"negative": "Detractors", "neutral": "Passives", "positive": "Promoters"},
    "ces": {"negative": "Difficult", "neutral": "Neutral", "positive": "Easy"},
}
RANGE: Mapping[Metric, tuple[float, float]] = {"csat": (0.0, 100.0), "nps": (-100.0, 100.0), "ces": (1.0, 7.0)}
"""Of what a headline figure can be."""
ACROSS, PLOT, BARS = 1000, 240, 48
"""Of a chart: units across, pixels of its plot and of the bars below."""
TICKS: Mapping[Metric, range] = {"csat": range(5), "nps": range(5), "ces": range(7)}
"""As many lines as there are round values."""
MOST_DAYS = 8
"""That are named under a chart."""
SPARK_DAYS = 30
SPARK_HEIGHT = 24


def show_figure(found: Figure) -> str:
    """A headline figure for people: 82 %, +34, 5.6, or a dash while there is none."""
    return "–" if found.exact is None else show_value(found.unit, found.exact)


def show_value(unit: str, value: Fraction | float) -> str:
    """A value for people; the ends of its range are said only where it is there: 299 of 300 are 99.7 %."""
    if unit == "percent":
        return f"{rounded(value, 0, (0, 100))} %"
    if unit == "points":
        text = rounded(value, 0, (-100, 100))
        return text.replace("-", "−") if value < 0 or text == "0" else f"+{text}"
    return rounded(value, 1, (1, 7))


def share(part: int, whole: int) -> str:
    """So many of so many, in percent; empty where there is no whole that the part could be of."""
    return show_value("percent", Fraction(100 * part, whole)) if whole >= max(part, 1) else ""


def rounded(value: Fraction | float, places: int, ends: tuple[int, int]) -> str:
    """A number with so many places: halves go away from nought, and nought has no sign.

    What would round to an end of its range without being there gets one more place, and stops short of the end.
    """
    exact = Fraction(value)
    for more in (places, places + 1):
        steps = _steps(exact, more)
        if not any(exact != end and steps == end * 10**more for end in ends):
            return _written(steps, more)
    return _written(steps + (1 if exact > steps / Fraction(10**more) else -1), more)


def _steps(exact: Fraction, places: int) -> int:
    """How many steps of the last place it is from nought, halves away from it."""
    steps = (2 * abs(exact.numerator) * int(10**places) + exact.denominator) // (2 * exact.denominator)
    return -steps if exact < 0 else steps


def _written(steps: int, places: int) -> str:
    sign, digits = "-" if steps < 0 else "", str(abs(steps)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else sign + digits


def show_interval(found: Figure, interval: tuple[float, float] | None) -> str:
    """From where to where the figure of everybody lies, in 95 of 100 such samples; empty with too few answers."""
    if interval is None:
        return ""
    low, high = (show_value(found.unit, value) for value in interval)
    return (
        f"{low.removesuffix(' %')} to {high}"
        if "−" in low + high or "+" in low + high
        else f"{low.removesuffix(' %')}–{high}"
    )


def show_change(before: Figure, now: Figure, differs: bool | None) -> str:
    """What became of a figure, in words that agree with what is shown of both."""
    if differs is None:
        return "Too few answers to compare."
    if not differs or before.exact is None or now.exact is None:
        return "No significant change."
    way = "Up" if now.exact > before.exact else "Down"
    if show_figure(before) == show_figure(now):
        return f"{way}, by less than these figures show: a significant change."
    return f"{way}: a significant change."


def scale_words(metric: Metric, points: int) -> str:
    """What people choose from."""
    return {"csat": f"{points} faces", "nps": "0–10"}.get(metric, f"1–{points}")


def counted(count: int, one: str, many: str) -> str:
    """A number with its noun: 1 answer, 1,234 answers."""
    return f"{count:,} {one if count == 1 else many}"


@dataclass(frozen=True)
class Mark:
    """A point of a chart: ``x`` in percent from the left, ``y`` and ``top`` (of its bar) in pixels from the top."""

    x: float
    y: float | None
    point: Point
    top: float
    is_late: bool
    """Whether what is said of it stands to the left, so as not to leave the chart."""
    earlier: Point | None = None
    """The same place in the period before."""


@dataclass(frozen=True)
class Chart:
    """Lines in a box of `ACROSS` by `PLOT`, stretched to the width of the page; bars of `BARS` pixels below it.

    ``good`` is where the usual good range begins and how high it is; ``ticks`` and ``days`` are texts with their
    places, in pixels from the top and in percent from the left; ``step`` is how wide a point is in percent;
    ``earlier`` is the line of the period before.
    """

    lines: str
    earlier: str
    bands: str
    good: tuple[float, float] | None
    ticks: list[tuple[str, float]]
    marks: list[Mark]
    days: list[tuple[str, float]]
    most: int
    step: float


def chart(metric: Metric, found: Trend, before: Trend | None = None) -> Chart:
    """The trend with its intervals and how many answers each step had, over that of the period before; where a step has
    no figure the line is broken."""
    low, high = RANGE[metric]
    points = found.points
    step = 100 / max(len(points), 1)
    most = max((one.alone for one in points), default=0)

    def y(value: float) -> float:
        return round(PLOT * (high - value) / (high - low), 1)

    marks = [
        Mark(
            round((place + 0.5) * step, 2),
            None if one.figure.value is None else y(one.figure.value),
            one,
            round(BARS * (1 - one.alone / most), 1) if most else BARS,
            place * 2 >= len(points),
            then,
        )
        for place, (one, then) in enumerate(zip_longest(points, before.points[: len(points)] if before else ()))
    ]
    behind = [
        replace(one, y=None if one.earlier is None or one.earlier.figure.value is None else y(one.earlier.figure.value))
        for one in marks
    ]
    lines, bands = [], []
    for run in _runs(marks):
        lines.append(_line(run, step))
        ends = [(one.x, one.point.interval) for one in run if one.point.interval]
        bands += [_band([(x, y(least), y(most)) for x, (least, most) in ends], step)] if ends else []
    good = GOOD_RANGE[metric]
    unit = {"csat": "percent", "nps": "points", "ces": "mean"}[metric]
    values = [high - (high - low) * part / (len(TICKS[metric]) - 1) for part in range(len(TICKS[metric]))]
    return Chart(
        "".join(lines),
        "".join(_line(run, step) for run in _runs(behind)),
        "".join(bands),
        good and (y(good[1]), round(y(good[0]) - y(good[1]), 1)),
        [(show_value(unit, value), y(value)) for value in values],
        marks,
        _some_days(marks),
        most,
        round(step, 3),
    )


def _across(percent: float) -> float:
    return round(percent * ACROSS / 100, 1)


def _line(run: Sequence[Mark], step: float) -> str:
    if len(run) == 1:
        return f"M{_across(run[0].x - step * 0.3)} {run[0].y}h{_across(step * 0.6)}"
    return "M" + "L".join(f"{_across(one.x)} {one.y}" for one in run)


def _band(edges: Sequence[tuple[float, float, float]], step: float) -> str:
    """Between the lower and the upper ends."""
    if len(edges) == 1:
        x, least, most = edges[0]
        return f"M{_across(x - step * 0.3)} {most}h{_across(step * 0.6)}V{least}h{-_across(step * 0.6)}z"
    upper = [f"{_across(x)} {most}" for x, _, most in edges]
    lower = [f"{_across(x)} {least}" for x, least, _ in reversed(edges)]
    return "M" + "L".join([*upper, *lower]) + "z"


def _runs(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Points that follow one another with a figure."""
    runs: list[list[Mark]] = [[]]
    for mark in marks:
        if mark.y is None:
            runs.append([])
        else:
            runs[-1].append(mark)
    return [run for run in runs if run]


def _some_days(marks: Sequence[Mark]) -> list[tuple[str, float]]:
    """Every so manieth day, so that their names do not run into each other."""
    every = -(-len(marks) // MOST_DAYS) or 1
    return [(show_day(one.point.name), one.x) for one in marks[every // 2 :: every]]


def show_day(iso: str) -> str:
    return date.fromisoformat(iso).strftime("%-d %b")


@dataclass(frozen=True)
class Delta:
    """What became of a figure; ``kind`` is good or bad only where it is more than chance."""

    text: str = ""
    up: bool = True
    kind: Literal["", "good", "bad"] = ""


def delta_of(before: Figure | None, now: Figure, differs: bool | None) -> Delta:
    """How far a headline figure moved, as it is shown of both."""
    if before is None or before.exact is None or now.exact is None or differs is None:
        return Delta()
    moved = now.exact - before.exact
    text = rounded(abs(moved), 1 if now.unit == "mean" else 0, (-1, -1))
    if float(text) == 0:
        return Delta()
    unit = "" if now.unit == "mean" else " pt" if text == "1" else " pts"
    return Delta(text + unit, moved > 0, ("good" if moved > 0 else "bad") if differs else "")


def rate_delta(before: tuple[int, int], now: tuple[int, int]) -> Delta:
    """How far a share of one number in another moved, in whole points."""
    if not before[1] or not now[1] or before[0] > before[1] or now[0] > now[1]:
        return Delta()
    moved = Fraction(100 * now[0], now[1]) - Fraction(100 * before[0], before[1])
    text = rounded(abs(moved), 0, (-1, -1))
    return Delta() if text == "0" else Delta(f"{text} {'pt' if text == '1' else 'pts'}", moved > 0)


@dataclass(frozen=True)
class Bar:
    """A score in the distribution, with its share and where its part of the whole bar begins, in percent."""

    score: int
    count: int
    share: str
    kind: str
    start: float
    width: float


def bars_of(metric: Metric, points: int, results: Results) -> list[Bar]:
    """Lowest score first; ``kind`` names the colour: of each group its outer scores are stronger."""
    total, bars, start = results.figure.total, [], 0.0
    lowest, highest = results.distribution[0][0], results.distribution[-1][0]
    for score, count in results.distribution:
        width = 100 * count / total if total else 0.0
        group = group_of(metric, points, score)
        inner = metric != "nps" and group != "neutral" and score not in (lowest, highest)
        kind = f"{group}-2" if inner else group
        bars.append(Bar(score, count, share(count, total), kind, round(start, 2), round(width, 2)))
        start += width
    return bars


def whisker(metric: Metric, point: Point) -> tuple[float, float, float] | None:
    """Where the low end, the figure and the high end stand on a line of 160."""
    low, high = RANGE[metric]
    if point.interval is None or point.figure.value is None:
        return None
    ends = (point.interval[0], point.figure.value, point.interval[1])
    least, value, most = (round(4 + 152 * (one - low) / (high - low), 1) for one in ends)
    return least, value, most


def spark(answers: Mapping[date, int], today: date) -> str:
    """A path of bars, one for each of the last `SPARK_DAYS` days, 4 wide with 1 between, `SPARK_HEIGHT` at most."""
    first = today - timedelta(days=SPARK_DAYS - 1)
    places = {(day - first).days: count for day, count in answers.items() if count and first <= day <= today}
    most = max(places.values(), default=0)
    return "".join(
        f"M{place * 5} {SPARK_HEIGHT}v{-max(1.0, SPARK_HEIGHT * places[place] / most):.1f}h4V{SPARK_HEIGHT}z"
        for place in sorted(places)
    )


class Say:
    """For templates: figures in words."""

    figure = staticmethod(show_figure)
    interval = staticmethod(show_interval)
    change = staticmethod(show_change)
    share = staticmethod(share)
    counted = staticmethod(counted)
    day = staticmethod(show_day)


SAY = Say()
