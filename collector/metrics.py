"""CSAT, NPS and CES: scales, groups, headline figures, and what a valid score is. Pure.

Sources: NPS after Reichheld, "The One Number You Need to Grow", Harvard Business Review, December 2003 (0–6, 7–8,
9–10; share of promoters minus share of detractors). CSAT as the share of satisfied among all answers ("top-two-box" on
five points). CES after Dixon, Freeman and Toman, "Stop Trying to Delight Your Customers", Harvard Business Review,
July 2010, in the seven-point agreement form of 2013: the mean, and the share of 6 and 7.

How sure a figure is: csat by Wilson's score interval (Wilson, "Probable Inference, the Law of Succession, and
Statistical Inference", JASA 22, 1927). nps by the adjusted Wald interval, with three answers added, 3/4 of a promoter,
3/2 of a passive and 3/4 of a detractor (Rocks, "Interval Estimation for the Net Promoter Score", The American
Statistician 70(4), 2016). ces by Student's t over the sample's deviation. Two csat figures are compared after Agresti
and Caffo, "Simple and Effective Confidence Intervals for Proportions and Differences of Proportions", The American
Statistician 54(4), 2000 (one success and one failure added to each), two nps figures likewise with Rocks's weights, two
ces figures by the normal distribution over Welch's standard error ("The generalization of 'Student's' problem",
Biometrika 34, 1947).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Literal

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
    """

    value: float | None
    unit: Literal["percent", "points", "mean"]
    total: int
    groups: Mapping[Group, int]
    positive_share: float | None


def figure(metric: Metric, scale: int, counts: Mapping[int, int]) -> Figure:
    """The headline figure of ``counts`` (score → number of answers).

    csat: positive ÷ all × 100. nps: % promoters − % detractors. ces: Σ(score × count) ÷ all.
    """
    groups: dict[Group, int] = dict.fromkeys(GROUPS, 0)
    for score, count in counts.items():
        groups[group_of(metric, scale, score)] += count
    total = sum(counts.values())
    share = groups["positive"] / total * 100 if total else None
    unit: Literal["percent", "points", "mean"] = {"csat": "percent", "nps": "points", "ces": "mean"}[metric]  # type: ignore[assignment]
    if not total:
        value = None
    elif metric == "csat":
        value = share
    elif metric == "nps":
        value = (groups["positive"] - groups["negative"]) / total * 100
    else:
        value = sum(score * count for score, count in counts.items()) / total
    return Figure(value, unit, total, groups, share)


Z = 1.959963984540054
"""The normal quantile of a two-sided 95 %."""
LEAST_FOR_MEAN = 4
"""Answers from which a mean has an interval: below, the expansion of t is not good."""


def interval(metric: Metric, scale: int, counts: Mapping[int, int]) -> tuple[float, float] | None:
    """The 95 % confidence interval of the headline figure of ``counts``, in its unit and within its range.

    None without answers, and for ces with fewer than `LEAST_FOR_MEAN`.
    """
    found = figure(metric, scale, counts)
    total = found.total
    if not total or (metric == "ces" and total < LEAST_FOR_MEAN):
        return None
    if metric == "csat":
        share, spread = found.groups["positive"] / total, Z * Z / total
        middle = (share + spread / 2) / (1 + spread)
        half = Z / (1 + spread) * sqrt(share * (1 - share) / total + spread / (4 * total))
        low, high, least, most = 100 * (middle - half), 100 * (middle + half), 0.0, 100.0
    else:
        middle, error = _estimate(metric, scale, counts)
        half = (Z if metric == "nps" else _student(total - 1)) * error
        low, high = middle - half, middle + half
        least, most = (-100.0, 100.0) if metric == "nps" else (1.0, float(scale))
    value = found.value or 0.0  # what was added to the answers may move the middle past the figure itself
    return max(min(low, value), least), min(max(high, value), most)


def differs(metric: Metric, scale: int, first: Mapping[int, int], second: Mapping[int, int]) -> bool | None:
    """Whether two figures differ by more than chance, at 95 %; None where there are too few answers to tell."""
    least = LEAST_FOR_MEAN if metric == "ces" else 1
    if min(sum(first.values()), sum(second.values())) < least:
        return None
    (one, its), (other, others) = (_estimate(metric, scale, counts) for counts in (first, second))
    return abs(one - other) > Z * sqrt(its * its + others * others)


def _estimate(metric: Metric, scale: int, counts: Mapping[int, int]) -> tuple[float, float]:
    """A figure that is steady with few answers, and its standard error, both in the figure's unit."""
    found = figure(metric, scale, counts)
    groups, total = found.groups, found.total
    if metric == "csat":
        share = (groups["positive"] + 1) / (total + 2)
        return 100 * share, 100 * sqrt(share * (1 - share) / (total + 2))
    if metric == "nps":
        promoters, detractors = ((groups[group] + 0.75) / (total + 3) for group in ("positive", "negative"))
        net = promoters - detractors
        return 100 * net, 100 * sqrt((promoters + detractors - net * net) / (total + 3))
    mean = found.value or 0.0
    variance = sum(count * (score - mean) ** 2 for score, count in counts.items()) / (total - 1)
    return mean, sqrt(variance / total)


def _student(freedom: int) -> float:
    """The two-sided 95 % quantile of Student's t, by its expansion in 1/freedom (Abramowitz and Stegun, 26.7.5)."""
    z, terms = Z, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * terms)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * terms**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * terms**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * terms**4)
    )
