"""How often intervals hold the figure of everybody, and how often two samples of one population are said to differ.

The chance of each outcome is counted out where the outcomes are few, else found by drawing with a fixed seed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from math import comb, exp, lgamma, log, sqrt
from random import Random
from statistics import fmean
from typing import Any

import pytest

from collector.surveys.metrics import Metric, differs, figure, interval, scores
from tests.conftest import CONTRACT

pytestmark = pytest.mark.slow

TABLE = json.loads((CONTRACT / "populations.json").read_text("utf-8"))
POPULATIONS: list[dict[str, Any]] = TABLE["populations"]
DRAWN = 300
"""Samples of one size, where not all can be counted out."""
FEW = 215
"""Outcomes that are counted out: for a pair of sizes, its square."""
ALARMS = 0.05
COVERED_ON_AVERAGE, COVERED_AT_LEAST = 0.93, 0.88

Counts = tuple[int, ...]
"""How many answers there are of each worth, lowest first: see `worths`."""


def worths(population: dict[str, Any]) -> tuple[list[int], list[float]]:
    """A score for each kind of answer that a figure tells apart, and how many in one of the population give it."""
    metric, scale, shares = population["metric"], population["scale"], population["shares"]
    found: dict[Any, tuple[int, float]] = {}
    for score, share in zip(scores(metric, scale), shares, strict=True):
        value = figure(metric, scale, {score: 1}).value
        found[value] = score, found.get(value, (0, 0.0))[1] + share
    return [score for score, _ in found.values()], [share for _, share in found.values()]


def true_figure(population: dict[str, Any]) -> float:
    of_each, shares = worths(population)
    return sum(
        share * (figure(population["metric"], population["scale"], {score: 1}).value or 0.0)
        for score, share in zip(of_each, shares, strict=True)
    )


def outcomes(size: int, kinds: int) -> Iterator[Counts]:
    if kinds == 1:
        yield (size,)
        return
    for first in range(size + 1):
        for rest in outcomes(size - first, kinds - 1):
            yield (first, *rest)


def chance(counts: Counts, shares: Sequence[float]) -> float:
    if any(count and not share for count, share in zip(counts, shares, strict=True)):
        return 0.0
    found = lgamma(sum(counts) + 1)
    for count, share in zip(counts, shares, strict=True):
        found += (count * log(share) if count else 0.0) - lgamma(count + 1)
    return exp(found)


def is_countable(size: int, kinds: int) -> bool:
    return kinds == 2 or comb(size + kinds - 1, kinds - 1) <= FEW


def samples(size: int, shares: Sequence[float], random: Random) -> Iterator[tuple[Counts, float]]:
    """What samples of a size are like, and how often."""
    kinds = len(shares)
    if is_countable(size, kinds):
        for counts in outcomes(size, kinds):
            likely = chance(counts, shares)
            if likely > 1e-9:
                yield counts, likely
        return
    for _ in range(DRAWN):
        drawn = random.choices(range(kinds), shares, k=size)
        yield tuple(map(drawn.count, range(kinds))), 1 / DRAWN


@cache
def interval_at(metric: Metric, scale: int, of_each: tuple[int, ...], counts: Counts) -> tuple[float, float] | None:
    return interval(metric, scale, dict(zip(of_each, counts, strict=True)))


def covered(population: dict[str, Any], size: int, random: Random) -> float | None:
    """How many in one of the intervals hold the true figure; None where there are none."""
    (of_each, shares), value = worths(population), true_figure(population)
    held = given = 0.0
    for counts, likely in samples(size, shares, random):
        found = interval_at(population["metric"], population["scale"], tuple(of_each), counts)
        if found:
            given += likely
            held += likely * (found[0] - 1e-9 <= value <= found[1] + 1e-9)
    return held / given if given else None


@pytest.mark.parametrize("metric", ["csat", "nps", "ces"])
def test_intervals_hold_the_figure_of_everybody(metric: Metric) -> None:
    random, found = Random(20260301), {}
    for population in POPULATIONS:
        for size in TABLE["interval_sizes"]:
            part = covered(population, size, random) if population["metric"] == metric else None
            if part is not None:
                found[population["kind"], population["name"], population["scale"], size] = part
    assert len({size for *_, size in found}) >= 8, "there are intervals from four answers on"
    assert fmean(found.values()) >= COVERED_ON_AVERAGE
    assert min(found.values()) >= COVERED_AT_LEAST, min(found, key=lambda name: found[name])


def alarms(population: dict[str, Any], first: int, second: int, random: Random) -> float:
    """How often two samples of one population are said to differ."""
    metric, scale = population["metric"], population["scale"]
    of_each, shares = worths(population)

    @cache
    def differ(one: Counts, other: Counts) -> bool:
        return bool(differs(metric, scale, *(dict(zip(of_each, counts, strict=True)) for counts in (one, other))))

    if len(shares) == 2:
        return alarms_of_shares(first, second, shares, differ)
    if all(is_countable(size, len(shares)) for size in (first, second)):
        others = list(samples(second, shares, random))
        return sum(
            likely * sum(its for other, its in others if differ(one, other))
            for one, likely in samples(first, shares, random)
        )
    pairs = zip(draws(first, shares, random), draws(second, shares, random), strict=True)
    return sum(differ(one, other) for one, other in pairs) / DRAWN


def draws(size: int, shares: Sequence[float], random: Random) -> Iterator[Counts]:
    for _ in range(DRAWN):
        drawn = random.choices(range(len(shares)), shares, k=size)
        yield tuple(map(drawn.count, range(len(shares))))


def alarms_of_shares(
    first: int, second: int, shares: Sequence[float], differ: Callable[[Counts, Counts], bool]
) -> float:
    """Of all outcomes: those that are near enough the same make one run."""
    found = 0.0
    likely = [chance((second - count, count), shares) for count in range(second + 1)]
    for count in range(first + 1):
        weight = chance((first - count, count), shares)
        if weight < 1e-6:
            continue
        middle = round(count / first * second)

        def at(other: int, count: int = count) -> bool:
            return differ((first - count, count), (second - other, other))

        if at(middle):
            found += weight
            continue
        low, high = edge(at, middle, 0), edge(at, middle, second)
        found += weight * (1 - sum(likely[low : high + 1]))
    return found


def edge(at: Callable[[int], bool], near: int, far: int) -> int:
    """The last one from near to far that does not differ."""
    if not at(far):
        return far
    while abs(far - near) > 1:
        middle = (near + far) // 2
        near, far = (near, middle) if at(middle) else (middle, far)
    return near


@pytest.mark.parametrize("metric", ["csat", "nps", "ces"])
def test_samples_of_one_population_seldom_differ(metric: Metric) -> None:
    random = Random(20260302)
    counted: dict[tuple[str, int, int], float] = {}
    drawn: dict[tuple[str, int, int], float] = {}
    for population in POPULATIONS:
        if population["metric"] != metric:
            continue
        kinds = len(worths(population)[1])
        for first, second in TABLE["pairs"]:
            exact = kinds == 2 or all(is_countable(size, kinds) for size in (first, second))
            rate = alarms(population, first, second, random)
            (counted if exact else drawn)[population["name"], first, second] = rate
    assert max(counted.values()) <= ALARMS, max(counted, key=lambda name: counted[name])
    if drawn:
        by_drawing = 3 * sqrt(ALARMS * (1 - ALARMS) / DRAWN)
        assert fmean(drawn.values()) <= ALARMS
        assert max(drawn.values()) <= ALARMS + by_drawing, max(drawn, key=lambda name: drawn[name])


@pytest.mark.parametrize(
    ("metric", "scale", "first", "second"),
    [
        ("csat", 5, {5: 50, 1: 50}, {5: 80, 1: 20}),
        ("csat", 3, {3: 8}, {1: 8}),
        ("csat", 7, {7: 900, 1: 100}, {7: 20, 1: 20}),
        ("nps", 11, {10: 60, 0: 40}, {10: 40, 0: 60}),
        ("nps", 11, {10: 300, 8: 20}, {10: 2, 0: 6}),
        ("ces", 7, {7: 4}, {6: 4}),
        ("ces", 7, {7: 500, 6: 500}, {7: 3, 4: 5}),
        ("ces", 7, {7: 10**7, 6: 10**7}, {7: 10**7, 6: 10**7 + 10**5}),
    ],
)
def test_what_differs_is_seen(metric: Metric, scale: int, first: dict[int, int], second: dict[int, int]) -> None:
    assert differs(metric, scale, first, second) is True
    assert differs(metric, scale, second, first) is True


@pytest.mark.parametrize(
    ("metric", "scale", "first", "second", "wanted"),
    [
        ("nps", 11, {10: 320}, {10: 1}, None),
        ("nps", 11, {10: 320}, {10: 40}, False),
        ("csat", 5, {5: 3}, {1: 1000}, None),
        ("csat", 5, {}, {5: 10}, None),
        ("ces", 7, {7: 3}, {1: 3}, None),
        ("ces", 7, {4: 1000}, {7: 2, 1: 2}, False),  # the same mean, by chance far from what was
        ("ces", 7, {7: 2, 1: 2}, {5: 2, 4: 2}, False),
    ],
)
def test_what_chance_can_do_is_no_difference(
    metric: Metric, scale: int, first: dict[int, int], second: dict[int, int], wanted: bool | None
) -> None:
    assert differs(metric, scale, first, second) is wanted
    assert differs(metric, scale, second, first) is wanted


@pytest.mark.parametrize("size", [1, 4, 20, 1000])
@pytest.mark.parametrize(
    ("metric", "scale", "score"), [("csat", 5, 5), ("csat", 3, 1), ("nps", 11, 10), ("nps", 11, 7)]
)
def test_answers_that_are_all_equal_leave_room_for_others(metric: Metric, scale: int, score: int, size: int) -> None:
    found = interval(metric, scale, {score: size})
    assert found
    assert found[1] - found[0] > 100 / (3 * size)


@pytest.mark.parametrize("score", [1, 4, 7])
@pytest.mark.parametrize("size", [4, 20, 1000])
def test_equal_scores_of_ease_leave_room_for_others(score: int, size: int) -> None:
    found = interval("ces", 7, {score: size})
    assert found
    assert found[1] - found[0] > 6 / (3 * size)


def test_a_figure_costs_little() -> None:
    """Processor time of an interval and a comparison, at sizes of either method."""
    spread = (5, 3, 4, 8, 20, 30, 30)
    pairs = [
        ({score: 1 + times * share // 100 for score, share in enumerate(spread, 1)}, others)
        for times in (4, 12, 40, 10**3, 10**7)
        for others in ({1: 2, 7: 30}, {score: 40 + 9 * score for score in range(1, 8)}, {4: 10**7, 5: 10**6})
    ]
    begun = time.process_time()
    for one, other in pairs:
        for first, second in ((one, other), (one, one)):
            interval("ces", 7, first)
            differs("ces", 7, first, second)
    assert (time.process_time() - begun) / (2 * len(pairs)) < 0.002
