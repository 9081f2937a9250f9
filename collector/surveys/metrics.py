"""CSAT, NPS and CES: scales, groups, headline figures, and what a valid score is. Pure.

Sources: NPS after Reichheld, "The One Number You Need to Grow", Harvard Business Review, December 2003 (0–6, 7–8,
9–10; share of promoters minus share of detractors). CSAT as the share of satisfied among all answers ("top-two-box" on
five points). CES after Dixon, Freeman and Toman, "Stop Trying to Delight Your Customers", Harvard Business Review,
July 2010, in the seven-point agreement form of 2013: the mean, and the share of 6 and 7.

How sure a figure is, and whether two differ: see `confidence`, where all three are means of whole numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from collector.surveys.confidence import interval_of_mean, means_differ

Metric = Literal["csat", "nps", "ces"]
Group = Literal["negative", "neutral", "positive"]

GROUPS: tuple[Group, ...] = ("negative", "neutral", "positive")
SCALES: Mapping[Metric, tuple[int, ...]] = {"csat": (3, 5, 7), "nps": (11,), "ces": (7,)}
"""How many points a metric's scale may have."""
DEFAULT_SCALE: Mapping[Metric, int] = {"csat": 5, "nps": 11, "ces": 7}
"""The points of a scale that a survey does not name."""
GOOD_RANGE: Mapping[Metric, tuple[float, float] | None] = {"csat": (75.0, 85.0), "nps": None, "ces": None}
"""The usual good range of a headline figure, in its own unit; None where the field has none."""

_NEUTRAL: Mapping[tuple[Metric, int], tuple[int, int]] = {
    ("csat", 3): (2, 2),
    ("csat", 5): (3, 3),
    ("csat", 7): (4, 4),
    ("nps", 11): (7, 8),
    ("ces", 7): (4, 5),
}


def scores(metric: Metric, scale: int) -> range:
    """Every score that can be chosen, lowest first: 0–10 for nps, 1–``scale`` for the others."""
    return range(11) if metric == "nps" else range(1, scale + 1)


def neutral_range(metric: Metric, scale: int) -> tuple[int, int]:
    """The lowest and the highest neutral score; below is negative, above is positive."""
    return _NEUTRAL[metric, scale]


@lru_cache(maxsize=256)
def group_of(metric: Metric, scale: int, score: int) -> Group:
    """The group that a score falls into. Raises `ValueError` for a score off the scale."""
    if score not in scores(metric, scale):
        raise ValueError(f"{score} is not on the {metric} scale of {scale}")
    low, high = neutral_range(metric, scale)
    return "negative" if score < low else "positive" if score > high else "neutral"


@dataclass(frozen=True)
class Figure:
    """A headline figure over ``total`` answers; ``value`` is None as long as there are none.

    ``unit`` is ``percent`` (csat, 0 to 100), ``points`` (nps, −100 to 100) or ``mean`` (ces, 1 to 7).
    ``positive_share`` is the percentage of positive scores: for ces the second figure that the field reports.
    ``exact`` is the value without rounding.
    """

    value: float | None
    unit: Literal["percent", "points", "mean"]
    total: int
    groups: Mapping[Group, int]
    positive_share: float | None
    exact: Fraction | None = None


def figure(metric: Metric, scale: int, counts: Mapping[int, int]) -> Figure:
    """The headline figure of ``counts`` (score → number of answers).

    csat: positive ÷ all × 100. nps: % promoters − % detractors. ces: Σ(score × count) ÷ all.
    """
    groups: dict[Group, int] = dict.fromkeys(GROUPS, 0)
    for score, count in counts.items():
        groups[group_of(metric, scale, score)] += count
    total = sum(counts.values())
    unit: Literal["percent", "points", "mean"] = {"csat": "percent", "nps": "points", "ces": "mean"}[metric]  # type: ignore[assignment]
    if not total:
        return Figure(None, unit, 0, groups, None)
    positive = Fraction(100 * groups["positive"], total)
    if metric == "csat":
        value = positive
    elif metric == "nps":
        value = Fraction(100 * (groups["positive"] - groups["negative"]), total)
    else:
        value = Fraction(sum(score * count for score, count in counts.items()), total)
    return Figure(float(value), unit, total, groups, float(positive), value)


LEAST_FOR_MEAN = 4
"""Answers from which the mean of a scale has an interval: below, it is hardly narrower than the scale."""

_WORTH: Mapping[Metric, tuple[Mapping[Group, int], int]] = {
    "csat": ({"negative": 0, "neutral": 0, "positive": 1}, 100),
    "nps": ({"negative": -1, "neutral": 0, "positive": 1}, 100),
}
"""What an answer of each group is worth, and by what the mean is multiplied to be the figure; ces takes the scores."""


def interval(metric: Metric, scale: int, counts: Mapping[int, int]) -> tuple[float, float] | None:
    """The 95 % confidence interval of the headline figure of ``counts``, in its unit and within its range.

    None without answers, and for ces with fewer than `LEAST_FOR_MEAN`.
    """
    total = sum(counts.values())
    if not total or (metric == "ces" and total < LEAST_FOR_MEAN):
        return None
    times = _WORTH[metric][1] if metric in _WORTH else 1
    least, most = (-1 if metric == "nps" else 0, 1) if metric in _WORTH else (1, scale)
    low, high = interval_of_mean(_worths(metric, scale, counts), least, most)
    value = figure(metric, scale, counts).value or 0.0  # the last digit of a sum may differ
    return min(times * low, value), max(times * high, value)


def differs(metric: Metric, scale: int, first: Mapping[int, int], second: Mapping[int, int]) -> bool | None:
    """Whether two figures differ by more than chance, at 95 %; None where there are too few answers to tell."""
    return means_differ(_worths(metric, scale, first), _worths(metric, scale, second))


def _worths(metric: Metric, scale: int, counts: Mapping[int, int]) -> Mapping[int, int]:
    """What the answers are worth → how many; the headline figure is the mean of it, in another unit."""
    if metric not in _WORTH:
        return counts
    found: dict[int, int] = {}
    for score, count in counts.items():
        worth = _WORTH[metric][0][group_of(metric, scale, score)]
        found[worth] = found.get(worth, 0) + count
    return found
