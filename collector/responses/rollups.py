"""Sums that are kept in the transaction of every answer, so that no figure ever scans responses.

What a row counts for depends on the row alone, so that the sums can be made again from the rows and compared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from operator import itemgetter
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, String, and_, bindparam, cast, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.sites import zones_of
from collector.db.schema import COUNTERS, HIGHEST_SCORE, SCORE_COUNTERS, impressions, responses, rollups
from collector.db.verbs import Add

Dimension = Literal["revision", "page", "device", "language"]
DIMENSIONS: tuple[Dimension, ...] = ("revision", "page", "device", "language")
"""What results can be broken down by. Every answer counts once in each, so any one of them sums up to all."""

KEYS = ("site_id", "dimension", "survey_number", "day", "value", "lane")
NUMBERS = (*COUNTERS, *SCORE_COUNTERS)
_PLACE = {name: place for place, name in enumerate(NUMBERS)}
_IMPRESSIONS, _DISMISSALS = _PLACE["impressions"], _PLACE["dismissals"]
_COMPLETED, _COMMENTS, _EMAILS = _PLACE["completed"], _PLACE["comments"], _PLACE["emails"]
_ROBOTS, _FIRST_SCORE = _PLACE["robots"], _PLACE["score_0"]

_kind = itemgetter("site_id", "survey_number", "revision", "page_label", "device", "language")
"""Site, survey, and a value for each of `DIMENSIONS`."""

add_to_rollups = Add(rollups, KEYS, NUMBERS)

Key = tuple[Any, str, Any, date, str]
"""Site, dimension, survey, day and value; ids as the caller has them."""


class Sums:
    """Changes to the sums, gathered over a batch."""

    def __init__(self, lane: int, zones: Mapping[int, tzinfo] | None = None) -> None:
        """``zones``: by whose days the answers of sites are counted; UTC's for those that are not named."""
        self._lane, self._zones = lane, {site: zone for site, zone in (zones or {}).items() if zone is not UTC}
        self._gathered: dict[tuple[Any, ...], list[int]] = {}

    def count_impression(self, row: Mapping[Any, Any], times: int = 1) -> None:
        """Count an impression, or with ``times`` −1 take it back."""
        if row["bot"]:
            return
        numbers = self._of(row, row["shown_at"])
        numbers[_IMPRESSIONS] += times
        if row["dismissed_at"] is not None:
            numbers[_DISMISSALS] += times

    def count_response(self, row: Mapping[Any, Any], times: int = 1) -> None:
        """Count a response, or with ``times`` −1 take it back."""
        numbers = self._of(row, row["created_at"])
        if row["bot"]:
            numbers[_ROBOTS] += times
            return
        if 0 <= row["score"] <= HIGHEST_SCORE:
            numbers[_FIRST_SCORE + row["score"]] += times
        if row["complete"]:
            numbers[_COMPLETED] += times
        if row["comment"] is not None:
            numbers[_COMMENTS] += times
        if row["email"] is not None:
            numbers[_EMAILS] += times

    def _of(self, row: Mapping[Any, Any], moment: datetime) -> list[int]:
        """The numbers of rows that agree in every dimension; there are few such kinds in a batch."""
        zone = self._zones.get(row["site_id"]) if self._zones else None
        kind = _kind(row), (moment.astimezone(zone) if zone else moment).date()
        numbers = self._gathered.get(kind)
        if numbers is None:
            numbers = self._gathered[kind] = [0] * len(NUMBERS)
        return numbers

    @property
    def changes(self) -> dict[Key, list[int]]:
        """What was counted, in each dimension."""
        found: dict[Key, list[int]] = {}
        for ((site, survey, *values), day), numbers in self._gathered.items():
            for dimension, value in zip(DIMENSIONS, values, strict=True):
                key = (site, dimension, survey, day, "" if value is None else str(value))
                sums = found.get(key)
                found[key] = numbers if sums is None else [a + b for a, b in zip(sums, numbers, strict=True)]
        return found

    def rows(self) -> list[tuple[Any, ...]]:
        """For `add_to_rollups`: only what has changed."""
        return [(*key, self._lane, *numbers) for key, numbers in self.changes.items() if any(numbers)]


@dataclass
class Total:
    """The sums of some days, or of one value of a dimension."""

    impressions: int = 0
    dismissals: int = 0
    completed: int = 0
    comments: int = 0
    emails: int = 0
    robots: int = 0
    scores: dict[int, int] = field(default_factory=dict)
    """Score → number of people, without those that nobody chose."""

    def add(self, other: Total) -> None:
        for name in COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for score, people in other.scores.items():
            self.scores[score] = self.scores.get(score, 0) + people


@dataclass(frozen=True)
class Wanted:
    """What is summed up: adding up everything takes three times as long as the few numbers that a figure needs."""

    counters: Sequence[str]
    scores: Sequence[int]

    @property
    def sums(self) -> list[ColumnElement[Any]]:
        names = *self.counters, *(SCORE_COUNTERS[score] for score in self.scores)
        return [func.coalesce(func.sum(rollups.c[name]), 0).label(name) for name in names]

    def total(self, numbers: Sequence[Any]) -> Total:
        """Of a row with these sums."""
        counted = {name: int(number) for name, number in zip(self.counters, numbers, strict=False)}
        people = zip(self.scores, numbers[len(self.counters) :], strict=True)
        return Total(**counted, scores={score: int(number) for score, number in people if number})


EVERYTHING = Wanted(COUNTERS, range(HIGHEST_SCORE + 1))


def for_figures(scores: Iterable[int]) -> Wanted:
    """What the figures of surveys with these scores need."""
    return Wanted(("impressions",), sorted(set(scores)))


@dataclass(frozen=True)
class Span:
    """Days in the site's time zone from the first to the last, both included; None is without end."""

    first: date | None = None
    last: date | None = None


ALWAYS = Span()


async def total_of(connection: AsyncConnection, site_id: int, survey_number: int, span: Span = ALWAYS) -> Total:
    """Everything that was counted for one survey."""
    query = _one_survey(select(*EVERYTHING.sums), site_id, survey_number, span)
    return EVERYTHING.total((await connection.execute(query)).one())


async def totals_by_value(
    connection: AsyncConnection,
    site_id: int,
    survey_number: int,
    dimension: Dimension,
    span: Span = ALWAYS,
    wanted: Wanted = EVERYTHING,
) -> dict[str, Total]:
    """One total for each value of a dimension."""
    query = _one_survey(select(rollups.c.value, *wanted.sums), site_id, survey_number, span, dimension)
    rows = await connection.execute(query.group_by(rollups.c.value))
    return {value: wanted.total(numbers) for value, *numbers in rows}


async def totals_by_day(
    connection: AsyncConnection,
    site_id: int,
    survey_number: int,
    span: Span = ALWAYS,
    only: tuple[Dimension, str] | None = None,
) -> dict[date, Total]:
    """One total for each day on which anything was counted, in order; ``only`` of one value of a dimension."""
    dimension, value = only or (DIMENSIONS[0], None)
    query = _one_survey(select(rollups.c.day, *EVERYTHING.sums), site_id, survey_number, span, dimension)
    if value is not None:
        query = query.where(rollups.c.value == value)
    rows = await connection.execute(query.group_by(rollups.c.day).order_by(rollups.c.day))
    return {day: EVERYTHING.total(numbers) for day, *numbers in rows}


async def names_since(
    connection: AsyncConnection, site_id: int, survey_numbers: Collection[int], first: date, most: int
) -> dict[int, set[str]]:
    """The pages that the results of each of these surveys name since a day, so many of each at most."""
    query = (
        select(rollups.c.survey_number, rollups.c.value)
        .distinct()
        .where(
            rollups.c.site_id == site_id,
            rollups.c.dimension == "page",
            rollups.c.survey_number.in_(survey_numbers),
            rollups.c.day >= first,
            rollups.c.value != "",
        )
    )
    found: dict[int, set[str]] = {one: set() for one in survey_numbers}
    for survey_number, value in await connection.execute(query):
        if len(found[survey_number]) < most:
            found[survey_number].add(value)
    return found


@dataclass(frozen=True)
class Overall:
    """What a list shows of a survey's sums."""

    impressions: int = 0
    scores: tuple[tuple[int, int], ...] = ()
    """Scores, each with how many people gave it, without those that nobody chose."""
    by_day: tuple[tuple[date, int], ...] = ()
    """How many gave a score on each of the last days on which anyone did."""


async def overall_by_survey(
    connection: AsyncConnection, site_ids: Collection[int], wanted: Wanted, since: date
) -> dict[tuple[int, int], Overall]:
    """Of all surveys of some sites, by their site and number, in one statement; by day from ``since`` on."""
    answers = sum((rollups.c[name] for name in SCORE_COUNTERS[1:]), rollups.c[SCORE_COUNTERS[0]])
    # one row a survey, since making rows takes longer than adding them up
    days = func.aggregate_strings(cast(rollups.c.day, String) + " " + cast(answers, String), ",")
    query = (
        select(rollups.c.site_id, rollups.c.survey_number, days.filter(rollups.c.day >= since), *wanted.sums)
        .where(rollups.c.site_id.in_(site_ids), rollups.c.dimension == DIMENSIONS[0])
        .group_by(rollups.c.site_id, rollups.c.survey_number)
    )
    found = {}
    for site_id, survey_number, by_day, *numbers in await connection.execute(query):
        total = wanted.total(numbers)
        found[site_id, survey_number] = Overall(
            total.impressions, tuple(total.scores.items()), _sum_by_day(by_day or "")
        )
    return found


@lru_cache(maxsize=5_000)
def _sum_by_day(days: str) -> tuple[tuple[date, int], ...]:
    """Of ``2026-01-31 5,2026-02-01 0``, in which a day may come several times."""
    sums: dict[date, int] = {}
    for one in days.split(",") if days else ():
        if one[10:] != " 0":
            day = date.fromisoformat(one[:10])
            sums[day] = sums.get(day, 0) + int(one[11:])
    return tuple(sums.items())


def _one_survey(
    query: Select[Any], site_id: int, survey_number: int, span: Span, dimension: Dimension = DIMENSIONS[0]
) -> Select[Any]:
    return query.where(
        rollups.c.site_id == site_id,
        rollups.c.dimension == dimension,
        rollups.c.survey_number == survey_number,
        *_within(span),
    )


def _within(span: Span) -> list[ColumnElement[bool]]:
    first = [rollups.c.day >= span.first] if span.first else []
    return [*first, rollups.c.day <= span.last] if span.last else first


# ---- the same from the rows

_BOTH = ("site_id", "survey_number", "revision", "page_label", "device", "language", "bot")
_SHOWN = [impressions.c[name] for name in (*_BOTH, "shown_at", "dismissed_at")]
_ANSWERED = [responses.c[name] for name in (*_BOTH, "created_at", "score", "complete", "comment", "email")]


@dataclass(frozen=True)
class Difference:
    """A row of sums that is not what the rows say; both sides hold what is not nought."""

    dimension: str
    value: str
    day: date
    kept: dict[str, int]
    counted: dict[str, int]
    corrections: Mapping[int, Sequence[int]]
    """What each lane lacks for the first to hold what was counted, and the others nothing."""


async def recount(connection: AsyncConnection, site_id: int, survey_number: int) -> list[Difference]:
    """Count everything of one survey again; where the sums that are kept differ from that, at the one moment that the
    connection sees."""
    counted = Sums(0, await zones_of(connection, site_id))
    for columns, count in ((_SHOWN, counted.count_impression), (_ANSWERED, counted.count_response)):
        table = columns[0].table
        query = select(*columns).where(table.c.site_id == site_id, table.c.survey_number == survey_number)
        async with connection.stream(query) as rows:
            async for part in rows.mappings().partitions(1000):
                for row in part:
                    count(row)
    kept: dict[Key, dict[int, list[int]]] = {}
    mine = rollups.c.site_id == site_id, rollups.c.survey_number == survey_number
    for one in await connection.execute(select(rollups).where(*mine)):
        key = site_id, one.dimension, survey_number, one.day, one.value
        kept.setdefault(key, {})[one.lane] = [getattr(one, name) for name in NUMBERS]
    return list(_differences(kept, counted.changes))


def _differences(kept: Mapping[Key, Mapping[int, list[int]]], counted: Mapping[Key, list[int]]) -> Iterator[Difference]:
    nothing = [0] * len(NUMBERS)
    for key in sorted(kept.keys() | counted.keys(), key=str):
        lanes, right = kept.get(key, {}), counted.get(key, nothing)
        ours = [sum(numbers) for numbers in zip(*lanes.values(), strict=True)] or nothing
        if ours != right:
            corrections = {lane: [-number for number in numbers] for lane, numbers in lanes.items()}
            first = min(lanes, default=0)
            corrections[first] = [a + b for a, b in zip(corrections.get(first, nothing), right, strict=True)]
            yield Difference(key[1], key[4], key[3], _named(ours), _named(right), corrections)


def _named(numbers: Sequence[int]) -> dict[str, int]:
    return {name: number for name, number in zip(NUMBERS, numbers, strict=True) if number}


async def put_right(
    connection: AsyncConnection, site_id: int, survey_number: int, differences: Sequence[Difference]
) -> None:
    """Add what was found to lack. What was counted since then stays as it was counted, so nothing has to wait; but only
    one may repair at a time, since two would add the same."""
    await _add(
        connection,
        [
            (site_id, one.dimension, survey_number, one.day, one.value, lane, *numbers)
            for one in differences
            for lane, numbers in one.corrections.items()
        ],
    )
    await _remove_noughts(connection, site_id, survey_number)


async def _remove_noughts(connection: AsyncConnection, site_id: int, survey_number: int) -> None:
    """Remove what says nothing, such as a page that nobody was on; not what somebody is just adding to."""
    key = [rollups.c[name] for name in KEYS]
    mine = rollups.c.site_id == site_id, rollups.c.survey_number == survey_number
    query = select(*key).where(*mine, *(rollups.c[name] == 0 for name in NUMBERS))
    rows = (await connection.execute(query.with_for_update(skip_locked=True))).all()
    for row in rows:
        same = (column == value for column, value in zip(key, row, strict=True))
        await connection.execute(delete(rollups).where(*same))


async def add_up(connection: AsyncConnection, sums: Sums) -> None:
    """Add changes to the sums outside a batch."""
    await _add(connection, sums.rows())


async def _add(connection: AsyncConnection, rows: Iterable[Sequence[Any]]) -> None:
    """In the order of `add_to_rollups`: no two wait for each other."""
    await add_to_rollups.outside(connection, sorted(map(tuple, rows)))


FOLDED_AT_ONCE = 1_000
"""Rows of sums that one transaction folds."""


async def fold_lanes(connection: AsyncConnection, *, before: date) -> int:
    """Put what processes have added in lanes of their own, on days that are over, into the first one; how many rows
    were folded. What is added to such a day meanwhile begins its lane anew, and is folded another time."""
    query = select(rollups).where(rollups.c.lane > 0, rollups.c.day < before).limit(FOLDED_AT_ONCE)
    found = (await connection.execute(query.with_for_update(skip_locked=True))).mappings().all()
    if not found:
        return 0
    folded: dict[Key, list[int]] = {}
    for row in found:
        numbers = folded.setdefault(tuple(row[name] for name in KEYS[:-1]), [0] * len(NUMBERS))
        for place, name in enumerate(NUMBERS):
            numbers[place] += row[name]
    here = and_(*(rollups.c[name] == bindparam(f"its_{name}") for name in KEYS))
    mine = [{f"its_{name}": row[name] for name in KEYS} for row in found]
    await connection.execute(delete(rollups).where(here), mine)
    await add_to_rollups.outside(connection, sorted((*key, 0, *numbers) for key, numbers in folded.items()))
    return len(found)
