"""How sure a mean of a few bounded whole numbers is, and whether two such means differ. Pure.

Answers come as counts (value → how often). All three metrics are such means: csat of 0 and 1, nps of −1, 0 and 1, ces
of 1 to 7.

The interval holds every mean that a likelihood-ratio test over all distributions on the scale does not refuse, those
with mass at an end that nobody chose included (Owen, "Empirical Likelihood Ratio Confidence Intervals for a Single
Functional", Biometrika 75, 1988; for the bounded scale Honda and Takemura, "An Asymptotically Optimal Bandit Algorithm
for Bounded Support Models", COLT 2010). So answers that are all equal leave room for those that were not seen, and
skewed ones get a skewed interval. `_bar` widens it where few answers carry the spread, as simulation says it must.

Two means differ if two tests agree. The one asks in how many ways of dealing all answers out to two groups of these
sizes the means would lie as far apart (Fisher, "The Design of Experiments", 1935; Pitman, "Significance Tests Which May
be Applied to Samples From any Populations", JRSS Supplement 4, 1937): it is exact at any size, and counted out where a
group is small, else found by the double saddlepoint approximation with a correction for whole numbers (Robinson,
"Saddlepoint Approximations for Permutation Tests and Confidence Intervals", JRSS B 44, 1982; Skovgaard, "Saddlepoint
Expansions for Conditional Distributions", Journal of Applied Probability 24, 1987). The other is Welch's t ("The
generalization of 'Student's' problem", Biometrika 34, 1947): it keeps groups of unlike spread from being taken for
unlike means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from math import comb, erfc, exp, gcd, log, log1p, pi, sinh, sqrt

LEAST_TO_COMPARE = 4
"""Answers on each side from which two means are compared: with three against three no result could be told from
chance."""
LEVEL = 0.05
"""How often two groups of one population may be said to differ."""
NEARLY = 0.85
"""Part of `LEVEL` that is used where the chance is not exact."""
MOST_STEPS = 4000
"""Additions up to which the ways of dealing are counted out; about half a millisecond."""
CHI_SQUARED = 3.841458820694124
"""The 95 % quantile with one degree of freedom: the square of the normal one for two sides."""

Pairs = Sequence[tuple[int, int]]
"""Values with how often each came, which is once at least."""


def interval_of_mean(counts: Mapping[int, int], low: int, high: int) -> tuple[float, float]:
    """The 95 % confidence interval of the mean of ``counts``, whose values lie from ``low`` to ``high``."""
    pairs = _pairs(counts)
    bar = _bar(pairs) / 2
    least = low + _least_mean([(value - low, count) for value, count in pairs], bar)
    most = high - _least_mean([(high - value, count) for value, count in pairs], bar)
    mean = _mean(pairs)
    return max(min(least, mean), low), min(max(most, mean), high)


def _pairs(counts: Mapping[int, int]) -> Pairs:
    return [(value, count) for value, count in counts.items() if count]


def _mean(pairs: Pairs) -> float:
    return sum(value * count for value, count in pairs) / sum(count for _, count in pairs)


def _bar(pairs: Pairs) -> float:
    """Up to where twice the log likelihood ratio may go: the more, the fewer answers carry the spread.

    Their number is all of them over the kurtosis; for a share it is about that of the rarer answer. The two constants
    were set by simulation: the least coverage found, over populations skewed in every way, is 91 %, at any size.
    """
    mean = _mean(pairs)
    squares = sum(count * (value - mean) ** 2 for value, count in pairs)
    fourths = sum(count * (value - mean) ** 4 for value, count in pairs)
    carrying = squares * squares / fourths if fourths > 1e-12 else 0.0
    return CHI_SQUARED * (1 + 1.5 / (carrying + 2))


def _least_mean(pairs: Pairs, bar: float) -> float:
    """The least mean of values from 0 up whose log likelihood ratio is ``bar``.

    The likeliest distribution with a lower mean than the sample gives a value v the weight 1 ÷ (1 + t·v), up to a
    factor; as t grows from 0 the mean falls and the ratio grows. Where nobody chose 0 the ratio has an end: from there
    on the weights stay as they are, and mass goes to 0.
    """
    total = sum(count for _, count in pairs)
    if not any(value for value, _ in pairs):
        return 0.0
    if all(value for value, _ in pairs):
        logs = sum(count * log(value) for value, count in pairs)
        if logs + total * log(sum(count / value for value, count in pairs) / total) <= bar:
            return exp((logs - bar) / total)
    low, high = -40.0, 40.0  # of the logarithm of t
    for _ in range(36):
        middle = (low + high) / 2
        t = exp(middle)
        rest = sum(count / (1 + t * value) for value, count in pairs) / total
        if sum(count * log1p(t * value) for value, count in pairs) + total * log(rest) < bar:
            low = middle
        else:
            high = middle
    t = exp(low)
    rest = sum(count / (1 + t * value) for value, count in pairs)
    return sum(count * value / (1 + t * value) for value, count in pairs) / rest


# ---- two means


def means_differ(first: Mapping[int, int], second: Mapping[int, int]) -> bool | None:
    """Whether two means differ by more than chance, at 5 %; None where there are too few answers to tell."""
    if min(sum(first.values()), sum(second.values())) < LEAST_TO_COMPARE:
        return None
    return _differ_by_welch(_pairs(first), _pairs(second)) and _differ_by_dealing(first, second)


def _differ_by_welch(first: Pairs, second: Pairs) -> bool:
    apart = abs(_mean(first) - _mean(second))
    (one, its_freedom), (other, others_freedom) = (_squared_error(pairs) for pairs in (first, second))
    error = one + other
    if not error:
        return apart > 0
    freedom = error * error / (one * one / its_freedom + other * other / others_freedom)
    return apart > student(freedom) * sqrt(error)


def _squared_error(pairs: Pairs) -> tuple[float, int]:
    """The square of the mean's standard error, and its degrees of freedom."""
    mean, total = _mean(pairs), sum(count for _, count in pairs)
    return sum(count * (value - mean) ** 2 for value, count in pairs) / (total - 1) / total, total - 1


def student(freedom: float) -> float:
    """The two-sided 95 % quantile of Student's t from 3 degrees of freedom on, by its expansion (Abramowitz and Stegun,
    26.7.5)."""
    z = sqrt(CHI_SQUARED)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * freedom**4)
    )


def _differ_by_dealing(first: Mapping[int, int], second: Mapping[int, int]) -> bool:
    small = min(first, second, key=lambda counts: sum(counts.values()))
    pooled = {value: first.get(value, 0) + second.get(value, 0) for value in {*first, *second}}
    pooled = {value: count for value, count in pooled.items() if count}
    base = min(pooled)
    step = reduce(gcd, (value - base for value in pooled)) or 1
    deal = Deal(
        [((value - base) // step, count) for value, count in sorted(pooled.items())],
        sum(small.values()),
        sum((value - base) // step * count for value, count in small.items() if count),
    )
    if deal.steps <= MOST_STEPS:
        return deal.exact_chance() <= LEVEL
    return deal.chance() <= NEARLY * LEVEL


class Deal:
    """All answers, of which ``drawn`` are dealt to one group and sum up to ``found`` there; the rest is the other."""

    def __init__(self, pairs: Pairs, drawn: int, found: int) -> None:
        self.pairs, self.drawn, self.found = pairs, drawn, found
        self.total = sum(count for _, count in pairs)
        self.sum = sum(value * count for value, count in pairs)
        mode, _ = max(pairs, key=lambda pair: pair[1])
        self._mode = mode
        self._others = [(value - mode, count) for value, count in pairs if value != mode]
        self._most = min(drawn, sum(count for _, count in self._others))
        """So many of the drawn can have another value than the most frequent."""

    @property
    def steps(self) -> int:
        """About how many additions `exact_chance` makes."""
        most, values = self._most, [value for value, _ in self._others]
        return most * most * (1 + (len(values) - 1) * most * (max(0, *values) - min(0, *values)) // 6)

    def exact_chance(self) -> float:
        """In what part of all deals the sum lies as far from the expected one as that which was found."""
        ways: dict[tuple[int, int], int] = {(0, 0): 1}
        for value, count in self._others:
            further = dict(ways)
            for times in range(1, min(count, self._most) + 1):
                factor, more = comb(count, times), times * value
                for (taken, total), number in ways.items():
                    if taken + times <= self._most:
                        key = taken + times, total + more
                        further[key] = further.get(key, 0) + number * factor
            ways = further
        base, modes = self.drawn * self._mode, self.total - sum(count for _, count in self._others)
        far = abs(self.found * self.total - self.drawn * self.sum)
        hit = sum(
            number * comb(modes, self.drawn - taken)
            for (taken, total), number in ways.items()
            if abs((base + total) * self.total - self.drawn * self.sum) >= far
        )
        return hit / comb(self.total, self.drawn)

    def chance(self) -> float:
        """The same by the saddlepoint approximation, without a bound on the number of answers."""
        far = abs(self.found * self.total - self.drawn * self.sum)
        if not far:
            return 1.0
        above = -((-self.drawn * self.sum - far) // self.total)  # whole numbers: the next one from there outwards
        below = (self.drawn * self.sum - far) // self.total
        mirrored = [(-value, count) for value, count in self.pairs]
        return min(1.0, self._tail(self.pairs, above) + self._tail(mirrored, -below))

    def _tail(self, pairs: Pairs, least: int) -> float:
        """The chance of a sum of ``least`` or more, which is above the expected one."""
        if least > self._largest(pairs):
            return 0.0
        edge, drawn, total = least - 0.5, self.drawn, self.total
        start = log(drawn / (total - drawn))
        s, t, spread = _saddlepoint(pairs, drawn, edge, start)
        ratio = _cumulant(pairs, start, 0.0) - _cumulant(pairs, s, t) - (start - s) * drawn + t * edge
        if ratio <= 1e-9 or t <= 0:
            return 1.0
        r = sqrt(2 * ratio)
        if t > 40 or ratio > 300:
            return 0.5 * erfc(r / sqrt(2))
        q = 2 * sinh(t / 2) * sqrt(spread / (drawn * (1 - drawn / total)))
        return min(1.0, max(0.0, 0.5 * erfc(r / sqrt(2)) + exp(-ratio) / sqrt(2 * pi) * (1 / q - 1 / r)))

    def _largest(self, pairs: Pairs) -> int:
        """The largest sum that so many can have."""
        found, left = 0, self.drawn
        for value, count in sorted(pairs, reverse=True):
            found, left = found + value * min(count, left), left - min(count, left)
        return found


def _cumulant(pairs: Pairs, s: float, t: float) -> float:
    """Of as many coins as there are answers, each with odds exp(s + t·value): the logarithm of their partition sum."""
    logits = [(s + t * value, count) for value, count in pairs]
    return sum(count * (max(0.0, logit) + log1p(exp(-abs(logit)))) for logit, count in logits)


def _saddlepoint(pairs: Pairs, drawn: int, edge: float, start: float) -> tuple[float, float, float]:
    """The odds (s, t) with which so many are drawn and sum up to ``edge`` on average, and the spread there.

    By Newton's method on a convex function, with steps that are held back far from its lowest point.
    """
    s, t, spread = start, 0.0, 1.0
    for _ in range(80):
        chosen = [1 / (1 + exp(-max(-600.0, min(600.0, s + t * value)))) for value, _ in pairs]
        h00 = h01 = h11 = taken = total = 0.0
        for (value, count), chance in zip(pairs, chosen, strict=True):
            weight = count * chance * (1 - chance)
            h00, h01, h11 = h00 + weight, h01 + weight * value, h11 + weight * value * value
            taken, total = taken + count * chance, total + count * chance * value
        spread = h00 * h11 - h01 * h01
        if spread <= 1e-300:
            break
        ds = (h11 * (taken - drawn) - h01 * (total - edge)) / spread
        dt = (h00 * (total - edge) - h01 * (taken - drawn)) / spread
        largest = max(abs(ds), abs(dt))
        held = min(1.0, 1.5 / largest) if largest else 1.0
        s, t = s - held * ds, t - held * dt
        if largest < 1e-9:
            break
    return s, t, spread
