"""What was measured, as the README shows it: a line for each page, then one for each figure that is wanted of ours."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.benchmarks.widget.loads import Cost
from tests.benchmarks.widget.pages import ANALYTICS, OURS, OURS_SHOWN, RIVAL


@dataclass
class Measured:
    """One page: what each round saw it add to an empty page, and after how many milliseconds its survey showed."""

    name: str
    added: list[Cost]
    shown: list[float]

    def each(self, figure: str) -> list[float]:
        return self.shown if figure == "shown" else [getattr(one, figure) for one in self.added]

    def median(self, figure: str) -> float:
        return statistics.median(self.each(figure))

    def over(self, other: Measured, figure: str) -> float:
        """The median of each round's ratio."""
        pairs = zip(self.each(figure), other.each(figure), strict=True)
        return statistics.median(mine / its if its else float("inf") for mine, its in pairs)

    def beyond(self, other: Measured, figure: str) -> float:
        """The median of each round's difference."""
        pairs = zip(self.each(figure), other.each(figure), strict=True)
        return statistics.median(mine - its for mine, its in pairs)

    def __str__(self) -> str:
        cells = [self.name, *(write(self.median(figure)) for figure, write in COLUMNS.items())]
        return "| " + " | ".join([*cells, milliseconds(self.median("shown")) if self.shown else "–"]) + " |"


@dataclass
class Wanted:
    """A figure of ours, the most that it may be, and the most that it is to be one day."""

    name: str
    measured: float
    most: float
    write: Callable[[float], str]
    aim: float | None = None

    @property
    def reached(self) -> bool:
        return self.measured <= self.most

    def __str__(self) -> str:
        aim = "–" if self.aim is None else f"≤ {self.write(self.aim)}"
        most = f"≤ {self.write(self.most)}" if self.most else "0"
        return f"| {self.name} | **{self.write(self.measured)}** | {most} | {aim} |"


def number(value: float) -> str:
    return f"{value:.0f}"


def ratio(value: float) -> str:
    return f"{value:.2f}"


def score(value: float) -> str:
    return f"{value:.3f}" if value else "0"


def milliseconds(value: float) -> str:
    return f"{value:,.0f} ms".replace("-", "−")


def kilobytes(value: float) -> str:
    return f"{value / 1e3:.1f} KB" if value < 1e4 else f"{value / 1e3:,.0f} KB"


def exact_kilobytes(value: float) -> str:
    return f"{value / 1e3:.2f} KB"


COLUMNS: dict[str, Callable[[float], str]] = {
    "requests": number,
    "bytes": kilobytes,
    "script": milliseconds,
    "cpu": milliseconds,
    "heap": kilobytes,
    "blocking": milliseconds,
    "shift": score,
}
"""Figures of a `Cost`, in the order of the table."""


def wanted(pages: Mapping[str, Measured]) -> list[Wanted]:
    """What is wanted of ours, beside an analytics script and beside the survey tool that is nearest."""
    none, shown, analytics, rival = (pages[key] for key in (OURS, OURS_SHOWN, ANALYTICS, RIVAL))
    return [
        Wanted("no survey matches: requests", none.median("requests"), 1, number),
        Wanted("bytes", none.median("bytes"), 3000, exact_kilobytes, 2500),
        Wanted(f"script ÷ {ANALYTICS}'s", none.over(analytics, "script"), 1.5, ratio),
        Wanted(f"CPU beyond {ANALYTICS}'s", none.beyond(analytics, "cpu"), 20, milliseconds),
        Wanted("heap", none.median("heap"), 150_000, kilobytes),
        Wanted("blocking", none.median("blocking"), 0, milliseconds),
        Wanted("layout shift", none.median("shift"), 0, score),
        Wanted("survey shown: requests", shown.median("requests"), 3, number),
        Wanted("bytes in all", shown.median("bytes"), 8000, exact_kilobytes, 6500),
        Wanted(f"script ÷ {RIVAL}'s", shown.over(rival, "script"), 0.1, ratio),
        Wanted(f"CPU ÷ {RIVAL}'s", shown.over(rival, "cpu"), 0.25, ratio),
        Wanted(f"heap ÷ {RIVAL}'s", shown.over(rival, "heap"), 0.2, ratio),
        Wanted("blocking", shown.median("blocking"), 0, milliseconds),
        Wanted("layout shift", shown.median("shift"), 0, score),
        Wanted(f"shown after ÷ {RIVAL}'s", shown.over(rival, "shown"), 0.45, ratio),
    ]


def lines(pages: Mapping[str, Measured]) -> list[str]:
    """Both tables."""
    return [
        "| | requests | bytes | script | CPU | heap | blocking | layout shift | shown after |",
        "|---|---|---|---|---|---|---|---|---|",
        *map(str, pages.values()),
        "",
        "| Tevreden | measured | wanted | aim |",
        "|---|---|---|---|",
        *map(str, wanted(pages)),
    ]
