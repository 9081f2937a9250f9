"""A batch on PostgreSQL, in two statements: one that finds, and one that writes everything and commits.

What was found is not locked in between: a row is replaced only if it is still the version that was found, an id is
inserted only if it is still new, and otherwise nothing is written at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import asyncpg

from collector.db.verbs import Find, Result, Rows, Steps, Verb, Writer

DURABLE = (
    "CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') "
    "THEN set_config('synchronous_commit', 'on', true) END"
)
"""For PostgreSQL: whatever the server says, this transaction is on disk when it is over."""


CONFIRM = f"SELECT pg_logical_emit_message(true, 'tevreden', ''), {DURABLE}"
"""Changes nothing, and its commit waits for disk and standbys all the same; that of a bare transaction id does not."""


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
            finds = [(place, call.verb, call.rows) for place, call in enumerate(calls) if isinstance(call.verb, Find)]
            if len(finds) < len(calls):
                writes = [(call.verb, call.rows) for call in calls if isinstance(call.verb, Writer) and call.rows]
                await _write(connection, writes, versions)
            elif asked := [one for one in finds if one[2]]:
                await _find(connection, asked, found, versions)
    except StopIteration as end:
        result: Result = end.value
        return result


async def _find(
    connection: asyncpg.Connection, asked: list[tuple[int, Find, Rows]], found: list[Rows], versions: set[int]
) -> None:
    arguments = [one for _, find, rows in asked for one in find.arguments(rows)]
    read: list[list[tuple[Any, ...]]] = [[] for _ in asked]
    for part, row in await connection.fetch(find_all(tuple(find for _, find, _ in asked)), *arguments):
        *values, version = row
        versions.add(version)
        read[part].append(tuple(values))
    for part, (place, find, _) in enumerate(asked):
        found[place] = find.read(read[part])


@lru_cache(maxsize=64)
def find_all(verbs: tuple[Find, ...]) -> str:
    """One statement of PostgreSQL's for several finds: the number of one, and a row that it found with its version."""
    return " UNION ALL ".join(f"SELECT {part}, found FROM {sql}" for part, sql in enumerate(_parts(verbs, 1)))  # noqa: S608


async def _write(connection: asyncpg.Connection, writes: list[tuple[Writer, Rows]], versions: set[int]) -> None:
    if not writes:
        # What was found may be on no standby yet, if whoever stored it gave up waiting: this commit waits for both.
        if versions:
            await connection.execute(CONFIRM)
        return
    statement = write_all(tuple(writer for writer, _ in writes))
    arguments = [f"{{{','.join(map(str, versions))}}}"]
    arguments += [one for writer, rows in writes for one in writer.arguments(rows)]
    counted = sum(len(rows) for writer, rows in writes if writer.is_counted)
    try:
        await connection.execute(statement, *arguments, counted)
    except (asyncpg.UniqueViolationError, asyncpg.DivisionByZeroError):
        raise Raced from None


@lru_cache(maxsize=64)
def write_all(verbs: tuple[Writer, ...]) -> str:
    """Everything at once, or nothing: the division fails where a row was not written that had to be."""
    written = [f"(SELECT count(*) FROM w{place})" for place, verb in enumerate(verbs) if verb.is_counted]  # noqa: S608
    told = [" RETURNING 1" if verb.is_counted else "" for verb in verbs]
    parts = ", ".join(f"w{place} AS ({part}{told[place]})" for place, part in enumerate(_parts(verbs, 2)))
    last = 2 + sum(verb.width for verb in verbs)
    return (
        f"WITH {parts} SELECT {DURABLE}, 1 / ({' + '.join(written) or 0} = ${last}::bigint)::integer "
        "WHERE $1::text IS NOT NULL"
    )


def _parts(verbs: Sequence[Verb], first: int) -> Iterator[str]:
    for verb in verbs:
        yield verb.postgres(first)
        first += verb.width
