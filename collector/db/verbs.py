"""What a batch does to tables: find, insert, replace and add, for many rows at once.

A batch is written once, as a generator that yields some `Call`s at a time and receives the rows that each found: first
what it must know, then all that it writes. The SQL comes from the Core tables and is rendered once.

SQLite runs it call by call in one transaction; for PostgreSQL see `collector.db.statements`.

Rows are plain tuples, so that thousands a second cost little: ids are lower-case hex without dashes, moments are aware
datetimes in UTC.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import Boolean, Column, Date, Integer, SmallInteger, Table
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from collector.db.moments import from_microseconds, microseconds
from collector.db.types import Id, Instant

Rows = Sequence[tuple[Any, ...]]
Result = TypeVar("Result")


def _quote(name: str) -> str:
    return f'"{name}"'


class Verb(ABC):
    """One statement over a table, for any number of rows."""

    width: int
    """Parameters of its part of a statement."""

    @abstractmethod
    def sqlite(self, connection: sqlite3.Connection, rows: Rows) -> Rows: ...

    @abstractmethod
    def postgres(self, first: int) -> str:
        """A part of a statement whose parameters are those of `arguments`, numbered from ``first``.

        In what writes, ``$1`` is the versions of all rows that were found.
        """

    @abstractmethod
    def arguments(self, rows: Rows) -> list[str]:
        """The parameters: an array a column first."""


@dataclass(frozen=True)
class Call:
    verb: Verb
    rows: Rows


Steps = Generator[Sequence[Call], list[Rows], Result]


def run_on_sqlite(steps: Steps[Result], connection: sqlite3.Connection) -> Result:
    found: list[Rows] | None = None
    try:
        while True:
            calls = next(steps) if found is None else steps.send(found)
            found = [call.verb.sqlite(connection, call.rows) if call.rows else [] for call in calls]
    except StopIteration as end:
        result: Result = end.value
        return result


class _Columns:
    """Some columns of a table, and how their values travel."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self.columns: list[Column[Any]] = [table.c[name] for name in names]
        self.names = ", ".join(_quote(name) for name in names)
        self.marks = ", ".join("?" * len(names))
        self._types = [_postgres_type(column.type) for column in self.columns]
        self._literals = [_LITERALS.get(kind, str) for kind in self._types]
        self._sqlite_writers = [
            (place, write) for place, c in enumerate(self.columns) if (write := _SQLITE_WRITERS.get(type(c.type)))
        ]
        self._readers = [
            (place, reader) for place, c in enumerate(self.columns) if (reader := _READERS.get(type(c.type)))
        ]

    def each(self, first: int) -> str:
        """What to select for a row from each place of some arrays, for PostgreSQL.

        Not from a function in FROM, of whose rows it makes a copy first.
        """
        return ", ".join(f"unnest(${number}::text::{kind}[])" for number, kind in enumerate(self._types, first))

    def as_arrays(self, rows: Rows) -> list[str]:
        """The columns as literals of arrays: the driver looks at each value of an array of its own again and again."""
        return [_array(column, write) for write, column in zip(self._literals, zip(*rows, strict=True), strict=True)]

    def found_in(self, table: Table, names: str, first: int) -> str:
        """``names`` of the one row of a table whose key these columns of ``wanted`` are, for PostgreSQL.

        Parameters from ``first`` on are what `span` says of all that are wanted: so the planner's work begins with the
        one or two partitions that they can be in, and not with those of all months.
        Of all indexes that begin alike, the key's alone gives its last column in order. Without that, the planner takes
        any of them while a month is new and nobody has counted its rows.
        """
        *same, last = (_quote(column.name) for column in self.columns)
        match = [f"t.{name} = wanted.{name}" for name in same]
        match += [f"t.{last} >= wanted.{last}", f"t.{last} <= wanted.{last}"]
        kind = self._types[-1]
        match += [f"t.{last} >= ${first}::text::{kind}", f"t.{last} <= ${first + 1}::text::{kind}"]
        return f"SELECT {names} FROM {table.name} AS t WHERE {' AND '.join(match)} ORDER BY t.{last} LIMIT 1"  # noqa: S608

    def span(self, rows: Rows) -> list[str]:
        """The lowest and the highest value of the last column."""
        values = [row[len(self.columns) - 1] for row in rows]
        return [str(min(values)), str(max(values))]

    def to_sqlite(self, rows: Rows) -> Rows:
        """SQLite keeps ids as bytes, moments as numbers and days as text."""
        columns = list(zip(*rows, strict=True))
        for place, write in self._sqlite_writers:
            columns[place] = tuple(_each_once(columns[place], write, None))
        return list(zip(*columns, strict=True))

    def read(self, rows: Rows) -> Rows:
        out = []
        for row in rows:
            changed = list(row)
            for place, reader in self._readers:
                if changed[place] is not None:
                    changed[place] = reader(changed[place])
            out.append(tuple(changed))
        return out


_AT_ONCE = (1, 10, 100)
"""How many rows one statement of SQLite's looks for."""


class Find(Verb):
    """Rows by their key."""

    def __init__(self, table: Table, keys: Sequence[str], names: Sequence[str]) -> None:
        self._keys, self._wanted = _Columns(table, keys), _Columns(table, names)
        self._table = table
        self.width = len(keys) + 2

    def _for_sqlite(self, most: int) -> str:
        """For so many rows that agree in all of the key but its last column."""
        *first, last = (_quote(column.name) for column in self._keys.columns)
        match = " AND ".join(f"{name} = ?" for name in first)
        marks = ", ".join("?" * most)
        return f"SELECT {self._wanted.names} FROM {self._table.name} WHERE {match} AND {last} IN ({marks})"  # noqa: S608

    def postgres(self, first: int) -> str:
        names = f"{self._wanted.names}, xmin AS version"
        found = self._keys.found_in(self._table, names, first + self.width - 2)
        wanted = f"(SELECT {self._keys.each(first)}) AS wanted({self._keys.names})"
        return f"{wanted} CROSS JOIN LATERAL ({found}) AS found"

    def arguments(self, rows: Rows) -> list[str]:
        return [*self._keys.as_arrays(list(dict.fromkeys(rows))), *self._keys.span(rows)]

    def read(self, rows: Rows) -> Rows:
        return self._wanted.read(rows) if rows else []

    def sqlite(self, connection: sqlite3.Connection, rows: Rows) -> Rows:
        together: dict[tuple[Any, ...], list[Any]] = {}
        for *first, last in self._keys.to_sqlite(rows):
            together.setdefault(tuple(first), []).append(last)
        found: list[tuple[Any, ...]] = []
        for key, every in together.items():
            for start in range(0, len(every), _AT_ONCE[-1]):
                some = every[start : start + _AT_ONCE[-1]]
                most = next(size for size in _AT_ONCE if size >= len(some))  # few statements, prepared once each
                filled = [*some, *some[:1] * (most - len(some))]
                found += connection.execute(self._for_sqlite(most), (*key, *filled)).fetchall()
        return self.read(found)


class Writer(Verb):
    """What the verbs that write have in common."""

    is_counted = False
    """Whether a row that is not written has to be noticed by the number of those that are."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self._table, self._columns = table, _Columns(table, names)
        self.width = len(names)

    def arguments(self, rows: Rows) -> list[str]:
        # in the same order everywhere, so that no two processes wait for each other
        return self._columns.as_arrays(sorted(rows))


class _Inserter(Writer):
    """New rows, and what becomes of those whose key is there."""

    _if_known: str
    """The end of the statement."""

    @cached_property
    def _into(self) -> str:
        return f"INSERT INTO {self._table.name} ({self._columns.names})"

    @cached_property
    def _for_sqlite(self) -> str:
        return f"{self._into} VALUES ({self._columns.marks}) {self._if_known}"

    def postgres(self, first: int) -> str:
        return f"{self._into} SELECT {self._columns.each(first)} {self._if_known}"

    def sqlite(self, connection: sqlite3.Connection, rows: Rows) -> Rows:
        connection.executemany(self._for_sqlite, self._columns.to_sqlite(rows))
        return []


class Insert(_Inserter):
    """Rows that were looked for and are new; one that is there after all fails the statement."""

    _if_known = ""


class Replace(Writer):
    """Other values for rows that were found: each row is the key, then the values."""

    is_counted = True

    def __init__(self, table: Table, keys: Sequence[str], names: Sequence[str]) -> None:
        super().__init__(table, [*keys, *names])
        self._keys, self._names = _Columns(table, keys), names
        self.width += 2

    @cached_property
    def _for_sqlite(self) -> str:
        values = ", ".join(f"{_quote(name)} = ?" for name in self._names)
        match = " AND ".join(f"{_quote(column.name)} = ?" for column in self._keys.columns)
        return f"UPDATE {self._table.name} SET {values} WHERE {match}"  # noqa: S608

    def postgres(self, first: int) -> str:
        values = ", ".join(f"{_quote(name)} = wanted.{_quote(name)}" for name in self._names)
        keys = [_quote(column.name) for column in self._keys.columns]
        match = " AND ".join(f"t.{name} = wanted.{name}" for name in keys)
        found = self._keys.found_in(self._table, "ctid AS place", first + self.width - 2)
        return (
            f"UPDATE {self._table.name} AS t SET {values} "  # noqa: S608
            f"FROM (SELECT {self._columns.each(first)}) AS wanted({self._columns.names}) "
            f"CROSS JOIN LATERAL ({found}) AS found "
            f"WHERE t.ctid = found.place AND {match} AND t.xmin = ANY($1::text::xid[])"
        )

    def arguments(self, rows: Rows) -> list[str]:
        return [*super().arguments(rows), *self._keys.span(rows)]

    def sqlite(self, connection: sqlite3.Connection, rows: Rows) -> Rows:
        width = len(self._keys.columns)  # the key stands first in a row and last in the statement
        turned = [row[width:] + row[:width] for row in self._columns.to_sqlite(rows)]
        connection.executemany(self._for_sqlite, turned)
        return []


class Add(_Inserter):
    """Numbers to add to what stands at a key, beginning from nothing: each row is the key, then the numbers."""

    def __init__(self, table: Table, keys: Sequence[str], names: Sequence[str]) -> None:
        super().__init__(table, [*keys, *names])
        sums = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in names)
        add = f"ON CONFLICT ({', '.join(map(_quote, keys))}) DO UPDATE SET {sums}"
        self._if_known = add

    async def outside(self, connection: AsyncConnection, rows: Rows) -> None:
        """The same in a transaction that is no batch."""
        if not rows:
            return
        if connection.dialect.name == "postgresql":
            await connection.exec_driver_sql(self.postgres(1), tuple(self.arguments(rows)))
        else:
            await connection.exec_driver_sql(self._for_sqlite, list(self._columns.to_sqlite(rows)))


class Touch(Writer):
    """Write the one row that every store has, as it is: proof that a row can be written."""

    is_counted = True
    width = 0
    _SQL = "UPDATE alembic_version SET version_num = version_num"

    def __init__(self) -> None:
        """Over a table of the migrations' own, which no table here describes."""

    def postgres(self, first: int) -> str:  # noqa: ARG002
        return self._SQL

    def arguments(self, rows: Rows) -> list[str]:  # noqa: ARG002
        return []

    def sqlite(self, connection: sqlite3.Connection, rows: Rows) -> Rows:  # noqa: ARG002
        connection.execute(self._SQL)
        return []


def _each_once(column: Iterable[Any], write: Callable[[Any], Any], nothing: str | None) -> Iterator[Any]:
    """The values of a column written, each of them once: most rows of a batch agree in most columns."""
    written = {value: nothing if value is None else write(value) for value in set(column)}
    return map(written.__getitem__, column)


def _array(column: tuple[Any, ...], write: Callable[[Any], str]) -> str:
    """The literal of an array, for PostgreSQL."""
    return f"{{{','.join(_each_once(column, write, 'NULL'))}}}"


def _postgres_type(kind: TypeEngine[Any]) -> str:
    names: dict[type[TypeEngine[Any]], str] = {
        Id: "uuid",
        Instant: "timestamptz",
        Date: "date",
        Boolean: "boolean",
        SmallInteger: "smallint",
        Integer: "integer",
    }
    return names.get(type(kind), "text")


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


_LITERALS: dict[str, Callable[[Any], str]] = {
    "text": _quoted,
    "timestamptz": datetime.isoformat,
    "date": date.isoformat,
}
"""How a value stands in the literal of an array."""


_SQLITE_WRITERS: dict[type[Any], Callable[[Any], Any]] = {
    Id: bytes.fromhex,
    Instant: microseconds,
    Date: date.isoformat,
}


def _id(value: Any) -> str:
    found: str = value.hex() if isinstance(value, bytes) else value.hex
    return found


def _moment(value: Any) -> datetime:
    return from_microseconds(value) if isinstance(value, int) else value


_READERS: dict[type[Any], Callable[[Any], Any]] = {Id: _id, Instant: _moment, Boolean: bool}
