"""A batch on PostgreSQL, in two statements: one that finds, and one that writes everything and commits.

What was found is not locked in between: a row is replaced only if it is still the version that was found, an id is
inserted only if it is still new, and otherwise nothing is written at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import asyncpg

from collector.db.verbs import Call, Find, Result, Rows, Steps, Verb

DURABLE = (
    "CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') "
    "THEN set_config('synchronous_commit', 'on', true) END"
)
"""For PostgreSQL: whatever the server says, this transaction is on disk when it is over."""


class Raced(Exception):
    """Another process stored one of these ids, or another version of these rows, since they were looked for."""


async def run_on_postgres(steps: Steps[Result], connection: asyncpg.Connection) -> Result:
    """Raises `Raced`: then nothing was written. The caller sees to it that a statement commits."""
    found: list[Rows] | None = None
    versions: set[int] = set()
    try:
        while True:
            calls = next(steps) if found is None else steps.send(found)
            found = [[] for _ in calls]
            asked = [(place, call) for place, call in enumerate(calls) if call.rows]
            if not asked:
                continue
            if all(isinstance(call.verb, Find) for call in calls):
                await _find(connection, asked, found, versions)
            else:
                await _write(connection, [call for _, call in asked], versions)
    except StopIteration as end:
        result: Result = end.value
        return result


async def _find(
    connection: asyncpg.Connection, asked: list[tuple[int, Call]], found: list[Rows], versions: set[int]
) -> None:
    arguments = [column for _, call in asked for column in call.verb.arguments(call.rows)]
    rows: list[list[tuple[Any, ...]]] = [[] for _ in asked]
    for part, row in await connection.fetch(find_all(tuple(call.verb for _, call in asked)), *arguments):
        *values, version = row
        versions.add(version)
        rows[part].append(tuple(values))
    for part, (place, call) in enumerate(asked):
        found[place] = call.verb.read(rows[part])


@lru_cache(maxsize=64)
def find_all(verbs: tuple[Verb, ...]) -> str:
    """One statement of PostgreSQL's for several finds: the number of one, and a row that it found with its version."""
    return " UNION ALL ".join(f"SELECT {part}, found FROM {sql}" for part, sql in enumerate(_parts(verbs, 1)))  # noqa: S608


async def _write(connection: asyncpg.Connection, calls: list[Call], versions: set[int]) -> None:
    statement = write_all(tuple(call.verb for call in calls))
    arguments = [f"{{{','.join(map(str, versions))}}}"]
    arguments += [column for call in calls for column in call.verb.arguments(call.rows)]
    exact = sum(len(call.rows) for call in calls if call.verb.is_exact)
    try:
        await connection.execute(statement, *arguments, exact)
    except asyncpg.DivisionByZeroError:
        raise Raced from None


@lru_cache(maxsize=64)
def write_all(verbs: tuple[Verb, ...]) -> str:
    """Everything at once, or nothing: the division fails where a row was not written that had to be."""
    written = [f"(SELECT count(*) FROM w{place})" for place, verb in enumerate(verbs) if verb.is_exact]  # noqa: S608
    parts = ", ".join(f"w{place} AS ({part} RETURNING 1)" for place, part in enumerate(_parts(verbs, 2)))
    last = 2 + sum(verb.width for verb in verbs)
    return (
        f"WITH {parts} SELECT {DURABLE}, 1 / ({' + '.join(written) or 0} = ${last}::bigint)::integer "
        "WHERE $1::text IS NOT NULL"
    )


def _parts(verbs: tuple[Verb, ...], first: int) -> Iterator[str]:
    for verb in verbs:
        yield verb.postgres(first)
        first += verb.width
