"""What a batch does to tables, on both databases; and on PostgreSQL, where others write in between."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import anyio
import asyncpg
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from collector.db.ids import new_hex_id
from collector.db.postgres import BY_INDEX
from collector.db.schema import impressions, rollups
from collector.db.statements import find_all, write_all
from collector.db.store import Contended, Database
from collector.db.verbs import Add, Call, Find, Insert, Replace, Steps
from tests.conftest import BROWSER_SECRET, App
from tests.postgres import Cluster
from tests.stores import opened

KEY = ("site_id", "id")
SHOWN = ("survey_number", "revision", "shown_at", "device", "bot")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 12, 5, 0, 250_000, tzinfo=UTC)
SITE, SURVEY = 1, 2

find = Find(impressions, KEY, ("id", "revision", "answered_at", "bot"))
insert = Insert(impressions, (*KEY, *SHOWN))
replace = Replace(impressions, KEY, ("revision", "answered_at"))
add = Add(rollups, ("site_id", "dimension", "survey_number", "day", "value", "lane"), ("impressions", "robots"))


def shown(name: str, *, bot: bool = False) -> tuple[Any, ...]:
    return (SITE, name, SURVEY, 1, NOW, "phone", bot)


class Batches:
    """Runs steps on a store; each is a batch of its own."""

    def __init__(self, portal: BlockingPortal, database: Database) -> None:
        self.portal, self.database = portal, database

    def run(self, begin: Callable[[], Steps[Any]]) -> Any:
        return self.portal.call(self.database.batch, begin)

    def write(self, *calls: Call) -> None:
        def steps() -> Steps[None]:
            yield calls

        self.run(steps)

    def found(self, *names: str) -> list[tuple[Any, ...]]:
        def steps() -> Steps[list[tuple[Any, ...]]]:
            known = yield [Call(find, [(SITE, name) for name in names])]
            return sorted(known[0])

        rows: list[tuple[Any, ...]] = self.run(steps)
        return rows


@pytest.fixture
def batches(store: tuple[str, str]) -> Iterator[Batches]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(opened(store[0])) as database:
        yield Batches(portal, database)


def test_rows_come_back_as_they_were_written(batches: Batches) -> None:
    one, two, never = new_hex_id(), new_hex_id(), new_hex_id()
    batches.write(Call(insert, [shown(one), shown(two, bot=True)]))
    assert batches.found(two, one, never, one) == sorted([(one, 1, None, False), (two, 1, None, True)])
    assert batches.found(never) == []
    assert batches.found() == []


def test_nothing_to_write_changes_nothing(batches: Batches) -> None:
    name = new_hex_id()
    batches.write(Call(insert, [shown(name)]))
    batches.write(Call(insert, []))
    batches.write(Call(replace, []), Call(add, []))
    assert count(batches) == 1
    assert batches.found(name) == [(name, 1, None, False)]


def test_several_things_are_found_at_once_each_by_its_own(batches: Batches) -> None:
    one, two = new_hex_id(), new_hex_id()
    batches.write(Call(insert, [shown(one), shown(two)]))

    def steps() -> Steps[Any]:
        return (yield [Call(find, [(SITE, two)]), Call(find, []), Call(find, [(SITE, one)])])

    assert [[row[0] for row in rows] for rows in batches.run(steps)] == [[two], [], [one]]


def test_one_row_that_cannot_be_written_undoes_the_rest(batches: Batches) -> None:
    one, two = new_hex_id(), new_hex_id()
    with pytest.raises((sqlite3.IntegrityError, asyncpg.IntegrityConstraintViolationError)):
        batches.write(Call(insert, [shown(one)]), Call(add, [(SITE, "page", SURVEY, NOW.date(), None, 0, 1, 0)]))
    assert batches.found(one, two) == []


def test_numbers_are_added_to_what_is_there(batches: Batches) -> None:
    def key(value: str) -> tuple[Any, ...]:
        return (SITE, "page", SURVEY, NOW.date(), value, 0)

    batches.write(Call(add, [(*key("b"), 1, 0), (*key("a"), 2, 1)]))
    batches.write(Call(add, [(*key("a"), 3, -1), (*key("c"), 1, 1)]))

    async def read() -> list[tuple[Any, ...]]:
        query = rollups.select().with_only_columns(rollups.c.value, rollups.c.impressions, rollups.c.robots)
        async with batches.database.read() as connection:
            return sorted(tuple(row) for row in await connection.execute(query))

    assert batches.portal.call(read) == [("a", 5, 0), ("b", 1, 0), ("c", 1, 1)]


def change(batches: Batches, name: str, between: Callable[[], None] = lambda: None) -> int:
    """Count a row's revision up, with something happening after it was found; how often that took."""
    tries = 0

    def steps() -> Steps[None]:
        nonlocal tries
        tries += 1
        known = yield [Call(find, [(SITE, name)])]
        if tries == 1:
            between()
        other = new_hex_id()
        again = [Call(replace, [(SITE, name, row[1] + 1, LATER)]) for row in known[0]]
        yield [Call(insert, [shown(other)]), *(again or [Call(insert, [shown(name)])])]

    batches.run(steps)
    return tries


def test_row_is_replaced(batches: Batches) -> None:
    one, two = new_hex_id(), new_hex_id()
    batches.write(Call(insert, [shown(one), shown(two)]))
    assert change(batches, one) == 1
    assert batches.found(one, two) == sorted([(one, 2, LATER, False), (two, 1, None, False)])
    assert change(batches, one) == 1
    assert batches.found(one) == [(one, 3, LATER, False)]


# ---- PostgreSQL: nothing is locked between finding and writing


@pytest.fixture
def elsewhere(store: tuple[str, str], postgres: Cluster) -> Callable[[str], None]:
    """Runs a statement from another session."""
    name = store[0].rpartition("/")[2]

    def run(sql: str) -> None:
        postgres.execute(sql, database=name)

    return run


on_postgres = pytest.mark.parametrize("store", ["postgresql"], indirect=True)


@on_postgres
@pytest.mark.parametrize(
    ("before", "sql", "after"),
    [
        (True, "UPDATE impressions SET revision = 7 WHERE id = '{id}'", 8),
        (True, "UPDATE impressions SET revision = revision WHERE id = '{id}'", 2),
        (True, "DELETE FROM impressions WHERE id = '{id}'", 1),
        (
            False,
            "INSERT INTO impressions (site_id, id, survey_number, revision, shown_at, device, bot) "
            "VALUES ({site}, '{id}', 2, 4, now(), 'phone', false)",
            5,
        ),
    ],
    ids=["changed", "rewritten", "removed", "inserted"],
)
def test_what_happens_in_between_makes_a_batch_begin_anew(
    batches: Batches, elsewhere: Callable[[str], None], before: bool, sql: str, after: int
) -> None:
    name = new_hex_id()
    if before:
        batches.write(Call(insert, [shown(name)]))
    assert change(batches, name, lambda: elsewhere(sql.format(id=name, site=SITE))) == 2
    assert [row[1] for row in batches.found(name)] == [after]
    assert count(batches) == 2  # the first try wrote nothing of what it had besides


def count(batches: Batches) -> int:
    async def read() -> int:
        async with batches.database.read() as connection:
            return len((await connection.execute(impressions.select())).all())

    return batches.portal.call(read)


@on_postgres
def test_batch_that_always_comes_second_is_refused(batches: Batches, elsewhere: Callable[[str], None]) -> None:
    name = new_hex_id()
    batches.write(Call(insert, [shown(name)]))

    def steps() -> Steps[None]:
        yield [Call(find, [(SITE, name)])]
        elsewhere(f"UPDATE impressions SET revision = revision + 1 WHERE id = '{name}'")
        yield [Call(replace, [(SITE, name, 1000, LATER)])]

    with pytest.raises(Contended):
        batches.run(steps)
    assert batches.found(name)[0][1] == 6


@on_postgres
def test_a_month_that_nobody_has_counted_is_read_by_its_key(batches: Batches, store: tuple[str, str]) -> None:
    """Else each batch of a new month reads all that its site has stored there, until the tables are analysed."""
    batches.write(Call(insert, [shown(new_hex_id()) for _ in range(2000)]))
    name = new_hex_id()
    ids, span = f"'{{{SITE}}}', '{{{name}}}'", f"'{name}', '{name}'"

    async def plan(sql: str, values: str) -> str:
        connection = await asyncpg.connect(store[0], server_settings=BY_INDEX)
        try:
            await connection.execute(f"PREPARE looked_at AS {sql}")
            return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE looked_at({values})"))
        finally:
            await connection.close()

    for sql, values in (
        (find_all((find,)), f"{ids}, {span}"),
        (write_all((replace,)), f"'{{}}', {ids}, '{{1}}', '{{2026-03-01}}', {span}, 1"),
    ):
        seen = batches.portal.call(plan, sql, values)
        assert {name[-5:] for name in re.findall(r"using (\w+)", seen)} == {"_pkey"}, seen
        assert "Seq Scan" not in seen


@on_postgres
def test_two_processes_count_one_row_up_together(batches: Batches, store: tuple[str, str]) -> None:
    name = new_hex_id()
    batches.write(Call(insert, [shown(name)]))
    counted = 0

    def steps() -> Steps[None]:
        known = yield [Call(find, [(SITE, name)])]
        yield [Call(replace, [(SITE, name, known[0][0][1] + 1, LATER)])]

    async def race() -> None:
        nonlocal counted
        async with opened(store[0]) as other:

            async def up(database: Database) -> None:
                nonlocal counted
                for _ in range(50):
                    try:
                        await database.batch(steps)
                    except Contended:  # always second: it was refused, and nothing of it is there
                        continue
                    counted += 1

            async with anyio.create_task_group() as group:
                group.start_soon(up, batches.database)
                group.start_soon(up, other)

    batches.portal.call(race)
    assert counted > 50
    assert batches.found(name)[0][1] == 1 + counted


# ---- what the intake makes of it


def test_neighbours_of_an_answer_that_always_comes_second_are_stored(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    survey = app.site.publish()
    database = app.client.app.state.services.database  # type: ignore[attr-defined]
    run, hot = database.batch, str(uuid4())

    async def batch(begin: Callable[[], Steps[Any]]) -> Any:
        if any(hot.replace("-", "") == row[1] for call in next(begin()) for row in call.rows):
            raise Contended
        return await run(begin)

    def answer(name: str) -> dict[str, Any]:
        about = {
            "type": "response",
            "id": name,
            "survey": survey["key"],
            "revision": 1,
            "language": "en",
            "secret": BROWSER_SECRET,
        }
        return {**about, "state": 1, "score": 4, "page": "https://shop.example/"}

    monkeypatch.setattr(database, "batch", batch)
    names = [str(uuid4()) for _ in range(20)]
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda name: app.send(answer(name)), [*names, hot]))
    assert [one.status_code for one in sent] == [200] * 20 + [503]
    assert sent[-1].headers["retry-after"]
    assert {one["id"] for one in app.site.responses(limit=100)} == set(names)
