"""Sums that are kept in the transaction of every answer, so that no figure ever scans responses.

What a row counts for depends on the row alone, so that the sums can be made again from the rows and compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import itemgetter
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

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

    def __init__(self, lane: int) -> None:
        self._lane = lane
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
        kind = _kind(row), moment.date()
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
    """Days (UTC) from the first to the last, both included; None is without end."""

    first: date | None = None
    last: date | None = None


ALWAYS = Span()


async def total_of(connection: AsyncConnection, site_id: int, survey_number: int, span: Span = ALWAYS) -> Total:
    """Everything that was counted for one survey."""
    query = _one_survey(select(*EVERYTHING.sums), site_id, survey_number, span)
    return EVERYTHING.total((await connection.execute(query)).one())


async def totals_by_survey(connection: AsyncConnection, site_id: int, wanted: Wanted) -> dict[int, Total]:
    query = (
        select(rollups.c.survey_number, *wanted.sums)
        .where(rollups.c.site_id == site_id, rollups.c.dimension == DIMENSIONS[0])
        .group_by(rollups.c.survey_number)
    )
    return {survey_number: wanted.total(numbers) for survey_number, *numbers in await connection.execute(query)}


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
    connection: AsyncConnection, site_id: int, survey_number: int, span: Span = ALWAYS
) -> dict[date, Total]:
    """One total for each day on which anything was counted, in order."""
    query = _one_survey(select(rollups.c.day, *EVERYTHING.sums), site_id, survey_number, span)
    rows = await connection.execute(query.group_by(rollups.c.day).order_by(rollups.c.day))
    return {day: EVERYTHING.total(numbers) for day, *numbers in rows}


async def names_since(
    connection: AsyncConnection, site_id: int, survey_number: int, first: date, most: int
) -> set[str]:
    """The pages that a survey's results name since a day, so many at most."""
    query = (
        select(rollups.c.value)
        .distinct()
        .where(
            rollups.c.site_id == site_id,
            rollups.c.dimension == "page",
            rollups.c.survey_number == survey_number,
            rollups.c.day >= first,
            rollups.c.value != "",
        )
    )
    return set((await connection.execute(query.limit(most))).scalars())


async def answers_by_day(
    connection: AsyncConnection, site_id: int, survey_numbers: Sequence[int], span: Span
) -> dict[int, dict[date, int]]:
    """For each of these surveys, how many gave a score on each day on which anyone did."""
    answers = func.sum(sum((rollups.c[name] for name in SCORE_COUNTERS[1:]), rollups.c[SCORE_COUNTERS[0]]))
    query = (
        select(rollups.c.survey_number, rollups.c.day, answers.label("answers"))
        .where(rollups.c.site_id == site_id, rollups.c.dimension == DIMENSIONS[0], *_within(span))
        .where(rollups.c.survey_number.in_(survey_numbers))  # by name, so that no other days are read
        .group_by(rollups.c.survey_number, rollups.c.day)
    )
    found: dict[int, dict[date, int]] = {}
    for row in await connection.execute(query):
        if row.answers:
            found.setdefault(row.survey_number, {})[row.day] = int(row.answers)
    return found


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


async def recount(connection: AsyncConnection, site_id: int, survey_number: int) -> tuple[Sums, list[Difference]]:
    """Count everything of one survey again; also where the sums that are kept differ from that."""
    counted = Sums(lane=0)
    for columns, count in ((_SHOWN, counted.count_impression), (_ANSWERED, counted.count_response)):
        table = columns[0].table
        query = select(*columns).where(table.c.site_id == site_id, table.c.survey_number == survey_number)
        async with connection.stream(query) as rows:
            async for part in rows.mappings().partitions(1000):
                for row in part:
                    count(row)
    kept: dict[Key, list[int]] = {}
    mine = rollups.c.site_id == site_id, rollups.c.survey_number == survey_number
    for one in await connection.execute(select(rollups).where(*mine)):
        numbers = kept.setdefault((site_id, one.dimension, survey_number, one.day, one.value), [0] * len(NUMBERS))
        for place, name in enumerate(NUMBERS):
            numbers[place] += getattr(one, name)
    return counted, list(_differences(kept, counted.changes))


def _differences(kept: Mapping[Key, list[int]], counted: Mapping[Key, list[int]]) -> Iterator[Difference]:
    nothing = [0] * len(NUMBERS)
    for key in sorted(kept.keys() | counted.keys(), key=str):
        ours, right = kept.get(key, nothing), counted.get(key, nothing)
        if ours != right:
            yield Difference(key[1], key[4], key[3], _named(ours), _named(right))


def _named(numbers: Sequence[int]) -> dict[str, int]:
    return {name: number for name, number in zip(NUMBERS, numbers, strict=True) if number}


async def put_right(connection: AsyncConnection, site_id: int, survey_number: int, counted: Sums) -> None:
    """Put what was counted in place of what is kept, within the transaction that counted it."""
    await connection.execute(
        delete(rollups).where(rollups.c.site_id == site_id, rollups.c.survey_number == survey_number)
    )
    rows = [dict(zip((*KEYS, *NUMBERS), row, strict=True)) for row in counted.rows()]
    if rows:
        await connection.execute(insert(rollups), rows)


async def hold_rollups(connection: AsyncConnection) -> None:
    """Keep other processes from adding anything until this transaction is over."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"LOCK TABLE {rollups.name} IN EXCLUSIVE MODE"))


async def add_up(connection: AsyncConnection, sums: Sums) -> None:
    """Add changes to the sums outside a batch, in the order of `add_to_rollups`: no two wait for each other."""
    rows = [tuple(one.hex if isinstance(one, UUID) else one for one in row) for row in sums.rows()]
    await add_to_rollups.outside(connection, rows)


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
