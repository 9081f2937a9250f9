"""What a batch does to tables: find, insert, replace and add, for many rows at once.

A batch is written once, as a generator that yields a `Call` and receives the rows it found; SQLite runs it on the
thread that owns the connection, PostgreSQL runs it over the network. The SQL comes from the Core tables and is rendered
once.

Rows are plain tuples, so that thousands a second cost little: ids are lower-case hex without dashes, moments are aware
datetimes in UTC.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, Protocol, TypeVar

import asyncpg
from sqlalchemy import Boolean, Column, Date, Integer, SmallInteger, Table, Uuid
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from collector.schema import Instant

Rows = Sequence[tuple[Any, ...]]
Result = TypeVar("Result")

_quote = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]


class Raced(Exception):
    """Another process stored one of these ids since it was looked for."""


class Verb(Protocol):
    """One statement over a table, for any number of rows."""

    def sqlite(self, connection: sqlite3.Connection, rows: Rows) -> Rows: ...

    async def postgres(self, connection: asyncpg.Connection, rows: Rows) -> Rows: ...


@dataclass(frozen=True)
class Call:
    verb: Verb
    rows: Rows


Steps = Generator[Call, Rows, Result]


def run_on_sqlite(steps: Steps[Result], connection: sqlite3.Connection) -> Result:
    found: Rows | None = None
    try:
        while True:
            call = next(steps) if found is None else steps.send(found)
            found = call.verb.sqlite(connection, call.rows)
    except StopIteration as end:
        result: Result = end.value
        return result


async def run_on_postgres(steps: Steps[Result], connection: asyncpg.Connection) -> Result:
    found: Rows | None = None
    try:
        while True:
            call = next(steps) if found is None else steps.send(found)
            found = await call.verb.postgres(connection, call.rows)
    except StopIteration as end:
        result: Result = end.value
        return result


class _Columns:
    """Some columns of a table, and how their values travel."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self.columns: list[Column[Any]] = [table.c[name] for name in names]
        self.names = ", ".join(_quote(name) for name in names)
        self.marks = ", ".join("?" * len(names))
        self.arrays = ", ".join(
            f"${number}::{_postgres_type(column.type)}[]" for number, column in enumerate(self.columns, 1)
        )
        self._texts = [
            (place, _sqlite_text(column.type))
            for place, column in enumerate(self.columns)
            if isinstance(column.type, Instant | Date)
        ]
        self._readers = [
            (place, reader) for place, c in enumerate(self.columns) if (reader := _READERS.get(type(c.type)))
        ]

    def to_sqlite(self, rows: Rows) -> Rows:
        """SQLite keeps moments and days as text."""
        if not self._texts:
            return rows
        written: dict[int, str] = {}  # most rows of a batch share one moment
        out = []
        for row in rows:
            changed = list(row)
            for place, write in self._texts:
                value = changed[place]
                if value is not None:
                    text = written.get(id(value))
                    changed[place] = text if text is not None else written.setdefault(id(value), write(value))
            out.append(tuple(changed))
        return out

    def read(self, rows: Rows) -> Rows:
        out = []
        for row in rows:
            changed = list(row)
            for place, reader in self._readers:
                if changed[place] is not None:
                    changed[place] = reader(changed[place])
            out.append(tuple(changed))
        return out


class Find:
    """Rows by their key, locked until the end of the transaction where others write as well."""

    def __init__(self, table: Table, keys: Sequence[str], names: Sequence[str]) -> None:
        self._keys, self._wanted = _Columns(table, keys), _Columns(table, names)
        self._table = table

    @cached_property
    def _for_sqlite(self) -> str:
        *first, last = (_quote(column.name) for column in self._keys.columns)
        match = " AND ".join(f"{name} = ?" for name in first)
        every = "SELECT value FROM json_each(?)"
        return f"SELECT {self._wanted.names} FROM {self._table.name} WHERE {match} AND {last} IN ({every})"  # noqa: S608

    @cached_property
    def _for_postgres(self) -> str:
        # each part by itself, so that the planner sees which partitions hold them; what nobody asked for does no harm
        match = " AND ".join(
            f"{_quote(column.name)} = ANY(${number}::{_postgres_type(column.type)}[])"
            for number, column in enumerate(self._keys.columns, 1)
        )
        return (
            f"SELECT {self._wanted.names} FROM {self._table.name} "  # noqa: S608
            f"WHERE {match} ORDER BY {self._keys.names} FOR UPDATE"
        )

    def sqlite(self, connection: sqlite3.Connection, rows: Rows) -> Rows:
        together: dict[tuple[Any, ...], list[Any]] = {}
        for *first, last in rows:
            together.setdefault(tuple(first), []).append(last)
        found: list[tuple[Any, ...]] = []
        for key, every in together.items():
            found += connection.execute(self._for_sqlite, (*key, json.dumps(every))).fetchall()
        return self._wanted.read(found) if found else []

    async def postgres(self, connection: asyncpg.Connection, rows: Rows) -> Rows:
        if not rows:
            return []
        found = await connection.fetch(self._for_postgres, *(list(set(part)) for part in _by_column(rows)))
        return self._wanted.read([tuple(one) for one in found])


class Insert:
    """Rows that were looked for and are new. Raises `Raced` if one is not."""

    def __init__(self, table: Table, names: Sequence[str], *, ignore_known: bool = False) -> None:
        self._columns = _Columns(table, names)
        self._table, self._ignore_known = table, ignore_known

    @cached_property
    def _for_sqlite(self) -> str:
        into = f"INSERT INTO {self._table.name} ({self._columns.names}) VALUES ({self._columns.marks})"  # noqa: S608
        return into + (" ON CONFLICT DO NOTHING" if self._ignore_known else "")

    @cached_property
    def _for_postgres(self) -> str:
        return (
            f"INSERT INTO {self._table.name} ({self._columns.names}) "  # noqa: S608
            f"SELECT * FROM unnest({self._columns.arrays}) ON CONFLICT DO NOTHING"
        )

    def sqlite(self, connection: sqlite3.Connection, rows: Rows) -> Rows:
        if rows:
            connection.executemany(self._for_sqlite, self._columns.to_sqlite(rows))
        return []

    async def postgres(self, connection: asyncpg.Connection, rows: Rows) -> Rows:
        if rows:
            status = await connection.execute(self._for_postgres, *_by_column(sorted(rows, key=_first_two)))
            if not self._ignore_known and int(status.rpartition(" ")[2]) != len(rows):
                raise Raced
        return []


class Replace:
    """Other values for rows by their key: each row is the key, then the values."""

    def __init__(self, table: Table, keys: Sequence[str], names: Sequence[str]) -> None:
        self._table, self._keys, self._names = table, keys, names
        self._columns = _Columns(table, [*keys, *names])

    @cached_property
    def _for_sqlite(self) -> str:
        values = ", ".join(f"{_quote(name)} = ?" for name in self._names)
        match = " AND ".join(f"{_quote(name)} = ?" for name in self._keys)
        return f"UPDATE {self._table.name} SET {values} WHERE {match}"  # noqa: S608

    @cached_property
    def _for_postgres(self) -> str:
        values = ", ".join(f"{_quote(name)} = n.{_quote(name)}" for name in self._names)
        match = " AND ".join(f"t.{_quote(name)} = n.{_quote(name)}" for name in self._keys)
        return (
            f"UPDATE {self._table.name} AS t SET {values} "  # noqa: S608
            f"FROM unnest({self._columns.arrays}) AS n({self._columns.names}) WHERE {match}"
        )

    def sqlite(self, connection: sqlite3.Connection, rows: Rows) -> Rows:
        if rows:
            width = len(self._keys)  # the key stands first in a row and last in the statement
            turned = [row[width:] + row[:width] for row in self._columns.to_sqlite(rows)]
            connection.executemany(self._for_sqlite, turned)
        return []

    async def postgres(self, connection: asyncpg.Connection, rows: Rows) -> Rows:
        if rows:
            await connection.execute(self._for_postgres, *_by_column(rows))
        return []


class Add:
    """Numbers to add to what stands at a key, beginning from nothing: each row is the key, then the numbers."""

    def __init__(self, table: Table, keys: Sequence[str], names: Sequence[str]) -> None:
        self._table, self._keys, self._names = table, keys, names
        self._columns = _Columns(table, [*keys, *names])

    @cached_property
    def _on_conflict(self) -> str:
        sums = ", ".join(f"{name} = {self._table.name}.{name} + excluded.{name}" for name in self._names)
        return f" ON CONFLICT ({', '.join(map(_quote, self._keys))}) DO UPDATE SET {sums}"

    @cached_property
    def _for_sqlite(self) -> str:
        into = f"INSERT INTO {self._table.name} ({self._columns.names})"
        return f"{into} VALUES ({self._columns.marks}){self._on_conflict}"

    @cached_property
    def _for_postgres(self) -> str:
        into = f"INSERT INTO {self._table.name} ({self._columns.names})"
        return f"{into} SELECT * FROM unnest({self._columns.arrays}){self._on_conflict}"  # noqa: S608

    def sqlite(self, connection: sqlite3.Connection, rows: Rows) -> Rows:
        if rows:
            connection.executemany(self._for_sqlite, self._columns.to_sqlite(rows))
        return []

    async def postgres(self, connection: asyncpg.Connection, rows: Rows) -> Rows:
        if rows:  # in the same order everywhere, so that no two processes wait for each other
            await connection.execute(self._for_postgres, *_by_column(sorted(rows)))
        return []


def _by_column(rows: Rows) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True))


def _first_two(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[:2]


def _postgres_type(kind: TypeEngine[Any]) -> str:
    names: dict[type[TypeEngine[Any]], str] = {
        Uuid: "uuid",
        Instant: "timestamptz",
        Date: "date",
        Boolean: "boolean",
        SmallInteger: "smallint",
        Integer: "integer",
    }
    return names.get(type(kind), "text")


def sqlite_moment(value: datetime) -> str:
    """A moment as SQLAlchemy keeps it on SQLite."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _sqlite_text(kind: TypeEngine[Any]) -> Callable[[Any], str]:
    return sqlite_moment if isinstance(kind, Instant) else date.isoformat


def _id(value: Any) -> str:
    return value if isinstance(value, str) else value.hex


def _moment(value: Any) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value


_READERS: dict[type[Any], Callable[[Any], Any]] = {Uuid: _id, Instant: _moment, Boolean: bool}
