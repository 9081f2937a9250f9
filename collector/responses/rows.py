"""Rows of the tables that a batch is about: as they were found, as they will be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Table

from collector.db.verbs import Find, Insert, Replace

KEY = ("site_id", "id")
NOT_YET = {"contact_id", "invitation_id", "delivery", "agent", "conversation", "answers"}
"""What nothing that a browser sends says yet."""


class Stored:
    """The columns of a table that the intake reads and writes."""

    def __init__(self, table: Table, changing: Sequence[str]) -> None:
        self.names = [column.name for column in table.columns if column.name not in NOT_YET]
        self.find = Find(table, KEY, self.names)
        self.insert = Insert(table, self.names)
        self.replace = Replace(table, KEY, changing)
        self.insert_row = itemgetter(*self.names)
        self.replace_row = itemgetter(*KEY, *changing)


class Row:
    """One row as it will be; ``before`` is what it was, None for a new one."""

    __slots__ = ("before", "is_changed", "is_new", "values")

    def __init__(self, values: dict[str, Any], *, is_new: bool) -> None:
        self.values, self.is_new = values, is_new
        self.is_changed = False
        self.before: Mapping[str, Any] | None = None

    def change(self, values: Mapping[str, Any]) -> None:
        if not self.is_new and not self.is_changed:
            self.before, self.is_changed = dict(self.values), True
        self.values.update(values)


class BatchRows:
    """The rows of one table that a batch is about."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._rows: dict[tuple[int, str], Row] = {}

    def know(self, found: Sequence[tuple[Any, ...]]) -> None:
        for one in found:
            values = dict(zip(self._stored.names, one, strict=True))
            self._rows[values["site_id"], values["id"]] = Row(values, is_new=False)

    def get(self, site: int, row: str) -> Row | None:
        return self._rows.get((site, row))

    def add(self, values: dict[str, Any]) -> Row:
        row = self._rows[values["site_id"], values["id"]] = Row(values, is_new=True)
        return row

    def touched(self) -> Iterator[Row]:
        return (row for row in self._rows.values() if row.is_new or row.is_changed)

    def new(self) -> list[tuple[Any, ...]]:
        pick = self._stored.insert_row
        return [pick(row.values) for row in self._rows.values() if row.is_new]

    def changed(self) -> list[tuple[Any, ...]]:
        pick = self._stored.replace_row
        return [pick(row.values) for row in self._rows.values() if row.is_changed]
