"""Whether every statement on a site's table names the site: so a cluster can shard by it, and no site sees another's.

A site's table is one whose key begins with ``site_id``. What has a site only at times (links, tokens, the audit log)
belongs to the installation and is looked up by other names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

import greenlet  # type: ignore[import-untyped]
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from collector.db import statements
from collector.db.schema import metadata
from collector.db.verbs import Result, Steps, run_on_sqlite

ROOT = Path(__file__).parent.parent
TABLES = frozenset(name for name, table in metadata.tables.items() if "site_id" in table.primary_key.columns)
OVER_ALL_SITES = {
    ("collector/access/accounts.py", "list_sessions"): "whether somebody is an owner anywhere asks for a second step",
    ("collector/access/accounts.py", "session_of_secret"): "the same, of whoever is signed in",
    ("collector/access/installation.py", "_rests_on_it"): "the secret is the installation's, whichever site uses it",
    ("collector/access/roles.py", "_own_roles"): "what somebody may do on every site there is",
    ("collector/access/roles.py", "remove_user"): "whoever leaves, leaves every site",
    ("collector/access/teams.py", "list_teams"): "a team is the installation's, with a role on any site",
    ("collector/access/teams.py", "remove_team"): "a team's roles go with it on every site",
    ("collector/db/backup.py", "_copy"): "a backup and its restore hold every site",
    ("collector/db/backup.py", "restore"): "what a backup replaces is all there is",
    ("collector/db/backup.py", "_holds_anything"): "a restore asks whether anything is there at all",
    ("collector/db/outbox.py", "backlog"): "a measure of the installation",
    ("collector/db/outbox.py", "claim"): "a worker goes from site to site by the index of what waits",
    ("collector/db/outbox.py", "is_due"): "the same, before it takes anything",
    ("collector/db/outbox.py", "hold_back"): "a restore brings back every site, and none of their deliveries goes out",
    ("collector/db/outbox.py", "take_events"): "what happened anywhere is told in one transaction",
    ("collector/db/outbox.py", "sweep"): "what is over for long goes, whosever it was",
    ("collector/responses/removal.py", "surveys_to_remove"): "which surveys of any site are due; each is then named",
    ("collector/responses/rollups.py", "fold_lanes"): "the lanes of days that are over are folded, whosever they are",
}
"""Who may leave the site out, by file and function, and why."""
_WORD = r"""(?<![\w."])"?{}"?(?![\w."])"""


@dataclass(frozen=True)
class Nameless:
    """A statement on a site's table that does not say which site, and the place that sent it."""

    statement: str
    path: str
    function: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line} in {self.function}: names no site_id: {' '.join(self.statement.split())}"


@lru_cache(maxsize=10_000)
def tables_without_site(statement: str) -> frozenset[str]:
    """The tables of sites that a statement uses more often than it compares, or gives, their ``site_id``."""
    if not re.match(r"\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE)\b|\(SELECT", statement):
        return frozenset()  # a change of the tables themselves
    bare = re.sub(r"'(?:[^']|'')*'", "''", statement)
    bare = re.sub(r"\bSET\s.*?(?=\b(?:FROM|WHERE)\b|$)", "", bare, flags=re.DOTALL)  # what is set limits nothing
    return frozenset(table for table in TABLES if table in bare and _uses(bare, table) > _named(bare, table))


def _uses(statement: str, table: str) -> int:
    statement = re.sub(r"(\bINTO\s+\S+\s*)\([^)]*\)", r"\1", statement)  # columns may be called like tables
    return len(re.findall(r"(?:\b(?:FROM|JOIN|UPDATE|INTO)|,)\s+" + _WORD.format(table), statement))


def _named(statement: str, table: str) -> int:
    """How often a site is named for a table, be it by the table's name, by another that it has here, or by none."""
    aliases = re.findall(_WORD.format(table) + r"\s+AS\s+(\w+)", statement)
    own = rf"(?:\b(?:{'|'.join({table, *aliases})})\.)"
    column = rf"""(?:{own}|(?<![\w.]))"?site_id"?(?!\w)"""
    compared = rf"{column}\s*(?:=|IN\b)|(?<![!<>])=\s*{own}\"?site_id\b"
    given = rf"INTO\s+\"?{table}\"?\s*\([^)]*\bsite_id\b"
    return len(re.findall(compared, statement)) + len(re.findall(given, statement))


class Watch:
    """Looks at every statement, and keeps those that name no site."""

    def __init__(self) -> None:
        self.found: list[Nameless] = []

    def look(self, statement: str) -> None:
        if tables_without_site(statement) and (place := _sender()) and place[:2] not in OVER_ALL_SITES:
            self.found.append(Nameless(statement, *place))

    def take(self) -> list[Nameless]:
        """What was found since this was last asked."""
        found, self.found = self.found, []
        return found


def _sender() -> tuple[str, str, int] | None:
    """The function of the collector that sends a statement; None where a test does so itself."""
    for frame in _frames():
        file = Path(frame.f_code.co_filename)
        if not file.is_relative_to(ROOT) or file == Path(__file__) or ".venv" in file.parts:
            continue
        path = file.relative_to(ROOT).as_posix()
        return None if path.startswith("tests/") else (path, frame.f_code.co_name, frame.f_lineno)
    return None


def _frames() -> Iterator[FrameType]:
    """From the innermost out; SQLAlchemy runs its drivers in a greenlet, whose frames end where it begins."""
    frame: FrameType | None = sys._getframe()
    current = greenlet.getcurrent()
    while frame or current.parent:
        if frame is None:
            current = current.parent
            frame = current.gr_frame
            continue
        yield frame
        frame = frame.f_back


class _Heard:
    """A connection of SQLite's that a batch runs on."""

    def __init__(self, connection: Any, look: Callable[[str], None]) -> None:
        self._connection, self._look = connection, look

    def execute(self, statement: str, *arguments: Any) -> Any:
        self._look(statement)
        return self._connection.execute(statement, *arguments)

    def executemany(self, statement: str, *arguments: Any) -> Any:
        self._look(statement)
        return self._connection.executemany(statement, *arguments)


@contextmanager
def watched() -> Iterator[Watch]:
    """Every statement of this process: those of the engines, and those of batches, which go past them."""
    watch = Watch()

    def hear(_: Any, __: Any, statement: str, *___: Any) -> None:
        watch.look(statement)

    def parts(*arguments: Any) -> Iterator[str]:
        for part in _parts(*arguments):
            watch.look(part)
            yield part

    def run(steps: Steps[Result], connection: Any) -> Result:
        heard: Any = _Heard(connection, watch.look)
        return run_on_sqlite(steps, heard)

    _parts = statements._parts
    event.listen(Engine, "before_cursor_execute", hear)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statements, "_parts", parts)
        patch.setattr("collector.db.sqlite.run_on_sqlite", run)
        statements.find_all.cache_clear()
        statements.write_all.cache_clear()
        yield watch
    event.remove(Engine, "before_cursor_execute", hear)
