"""Figures as people read them, and the lines that draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from collector.results.figures import Point
from collector.surveys.metrics import GOOD_RANGE, Figure, Group, Metric

GROUP_NAMES: Mapping[Metric, Mapping[Group, str]] = {
    "csat": {"negative": "Dissatisfied", "neutral": "Neutral", "positive": "Satisfied"},
    "nps": {"negative": "Detractors", "neutral": "Passives", "positive": "Promoters"},
    "ces": {"negative": "Difficult", "neutral": "Neutral", "positive": "Easy"},
}
RANGE: Mapping[Metric, tuple[float, float]] = {"csat": (0.0, 100.0), "nps": (-100.0, 100.0), "ces": (1.0, 7.0)}
"""Of what a headline figure can be."""
WIDTH, HEIGHT = 720, 180
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
    return f"{low.removesuffix(' %')} to {high}"


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


def counted(count: int, one: str, many: str) -> str:
    """A number with its noun: 1 answer, 1,234 answers."""
    return f"{count:,} {one if count == 1 else many}"


@dataclass(frozen=True)
class Chart:
    """Paths in a box of `WIDTH` by `HEIGHT`, y downwards; ``good`` is where the usual good range begins and how high it
    is. ``ticks`` are values with their place from the top in percent."""

    lines: str
    bands: str
    good: tuple[float, float] | None
    ticks: list[tuple[str, float]]


def chart(metric: Metric, points: Sequence[Point]) -> Chart:
    """The trend with its intervals; where a step has no figure the line is broken."""
    low, high = RANGE[metric]
    step = WIDTH / max(len(points), 1)

    def y(value: float) -> float:
        return round(HEIGHT * (high - value) / (high - low), 1)

    lines, bands = [], []
    for run in _runs(points):
        xs = [round((place + 0.5) * step, 1) for place, _ in run]
        values = [y(point.figure.value or 0) for _, point in run]
        sure = [(x, point.interval) for x, (_, point) in zip(xs, run, strict=True) if point.interval]
        if len(run) == 1:
            lines.append(f"M{xs[0] - step * 0.3:.1f} {values[0]}h{step * 0.6:.1f}")
        else:
            lines.append("M" + "L".join(f"{x} {value}" for x, value in zip(xs, values, strict=True)))
        if len(sure) == 1:
            x, (least, most) = sure[0]
            bands.append(f"M{x - step * 0.3:.1f} {y(most)}h{step * 0.6:.1f}V{y(least)}h{-step * 0.6:.1f}z")
        elif sure:
            upper = [f"{x} {y(most)}" for x, (_, most) in sure]
            lower = [f"{x} {y(least)}" for x, (least, _) in reversed(sure)]
            bands.append("M" + "L".join([*upper, *lower]) + "z")
    good = GOOD_RANGE[metric]
    unit = {"csat": "percent", "nps": "points", "ces": "mean"}[metric]
    ticks = [(show_value(unit, value), 100 * y(value) / HEIGHT) for value in (high, (low + high) / 2, low)]
    return Chart("".join(lines), "".join(bands), good and (y(good[1]), round(y(good[0]) - y(good[1]), 1)), ticks)


def _runs(points: Sequence[Point]) -> list[list[tuple[int, Point]]]:
    """Steps that follow one another with a figure, with their places."""
    runs: list[list[tuple[int, Point]]] = []
    for place, point in enumerate(points):
        if point.figure.value is None:
            continue
        if runs and runs[-1][-1][0] == place - 1:
            runs[-1].append((place, point))
        else:
            runs.append([(place, point)])
    return runs


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


SAY = Say()
