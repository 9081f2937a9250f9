"""Backup and restore: whole while answers arrive, the same on either database, and never half of anything."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil
import sqlite3
import string
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Date,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
)

from collector.db.backup import PASSING, back_up, restore
from collector.db.schema import metadata
from collector.db.store import Database
from collector.db.types import Id, Instant
from collector.errors import BackupError
from tests.conftest import PERSON, ROOT, SECRET, Process, Site, add_site
from tests.events import impression, response
from tests.faults.times import times
from tests.postgres import wait_until
from tests.stores import KINDS, as_it_is, everything_in, in_a_loop, opened, run_command, silent

pytestmark = pytest.mark.slow

PER_SECOND = 200

_numbers = count(1)


def refused(*arguments: str | Path, url: str) -> str:
    """What it says, in the one line that it has."""
    done = run_command(*arguments, url=url)
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("tevreden: "), done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not done.stdout
    return done.stderr


# ---- any rows at all, so that a table that comes later is in these tests as well


TEXTS = [
    "",
    " ",
    "Fine",
    "a\nb\r\n\t",
    "'; DROP TABLE sites; --",
    "Ünïcode 👩‍👩‍👧 \u202eabc",
    "\ufffd",
    "\x01",
    "=1+1",
    "NULL",
]
MOMENTS = [datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC)]


def any_value(chance: random.Random, kind: Any) -> Any:
    if isinstance(kind, Id):
        return UUID(int=chance.getrandbits(128))
    if isinstance(kind, Instant):
        return chance.choice([*MOMENTS, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.uniform(0, 1e7))])
    if isinstance(kind, Date):
        return chance.choice([*MOMENTS, datetime(2026, 1, 1, tzinfo=UTC)]).date()
    if isinstance(kind, Boolean):
        return chance.random() < 0.5
    if isinstance(kind, Integer):
        most = 2 ** (15 if isinstance(kind, SmallInteger) else 31)
        return chance.choice([-most, -1, 0, 1, most - 1, chance.randrange(most)])
    if isinstance(kind, JSON):
        return {"a": [1, 0.1, None, True, chance.choice(TEXTS)], "": {}, "ключ": "👩‍👩‍👧"}
    if isinstance(kind, LargeBinary):
        return chance.choice([b"", bytes(range(256)), chance.randbytes(100_000)])
    if isinstance(kind, Text):
        return chance.choice([*TEXTS, "x" * 10_000])
    assert isinstance(kind, String), kind
    letters = "".join(chance.choices(string.ascii_letters + "é👩 ", k=min(kind.length or 20, chance.choice([8, 200]))))
    return chance.choice([letters, letters, letters.upper()])


def any_rows(chance: random.Random, table: Table, there: dict[str, list[dict[str, Any]]], number: int) -> Any:
    """Rows that keep to the table's keys, those of others among them."""
    rows: list[dict[str, Any]] = []
    taken: set[tuple[Any, ...]] = set()
    unique = [[c.name for c in one.columns] for one in table.constraints if isinstance(one, UniqueConstraint)]
    keys = [[column.name for column in table.primary_key], *unique]
    for _ in range(number):
        row = {column.name: any_value(chance, column.type) for column in table.columns}
        if "id" in row and isinstance(row["id"], int):
            row["id"] = chance.randrange(1, 2**30)  # of its own, mostly
        for column in table.columns:
            if column.nullable and chance.random() < 0.3:
                row[column.name] = None
        for foreign in table.foreign_key_constraints:
            parent = chance.choice(there[foreign.referred_table.name])
            row |= {
                own: parent[element.column.name]
                for own, element in zip(foreign.column_keys, foreign.elements, strict=True)
            }
        marks = {(str(key), *(row[name] for name in key)) for key in keys}
        if taken.isdisjoint(marks):
            taken |= marks
            rows.append(row)
    return rows


async def fill_with_anything(database: Database, seed: int, number: int = 30) -> None:
    chance = random.Random(seed)
    there: dict[str, list[dict[str, Any]]] = {}
    async with database.write() as connection:
        for table in metadata.sorted_tables:
            there[table.name] = any_rows(chance, table, there, number)
            assert len(there[table.name]) > number / 2, table.name
            await connection.execute(insert(table), there[table.name])


def test_from_a_file_to_a_server_and_back_every_row_is_the_same(fresh: Callable[[str], str], tmp_path: Path) -> None:
    first, second, third = fresh("sqlite"), fresh("postgresql"), fresh("sqlite")

    async def fill() -> None:
        async with opened(first) as database:
            await fill_with_anything(database, 1, times(30, 1500))

    in_a_loop(fill)
    wanted = everything_in(first)
    assert all(wanted.values()), "a table without rows is not tested"
    for number, (source, target) in enumerate([(first, second), (second, third)]):
        file = tmp_path / f"{number}.backup"
        assert run_command("backup", file, url=source).returncode == 0
        done = run_command("restore", file, "--keep-tokens", url=target)
        assert done.returncode == 0, done.stderr
        assert everything_in(target) == {**wanted, **{table.name: [] for table in PASSING}}


# ---- while answers arrive


class Load:
    """Sends impressions with their answers, so many a second, and remembers what was acknowledged."""

    def __init__(self, site: Site, survey: dict[str, Any]) -> None:
        self.acknowledged: set[str] = set()
        self.wrong: list[str] = []
        self._site, self._survey = site, survey
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(4,)) for _ in range(4)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _send(self, threads: int) -> None:
        with httpx.Client(timeout=20) as http:
            while not self._ended.wait(threads / PER_SECOND):
                shown = impression(self._survey)
                given = response(self._survey, impression=shown["id"], comment="Fine")
                reply = http.post(
                    f"{self._site.url}/w/{self._site.key}/events",
                    json={"events": [shown, given]},
                    headers={"User-Agent": PERSON},
                )
                if reply.status_code == 200:
                    self.acknowledged.add(given["id"])
                else:
                    self.wrong.append(reply.text)


@pytest.mark.parametrize("kind", KINDS)
def test_backup_taken_while_answers_arrive_is_whole(
    kind: str, alone: Process, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    alone.environment["TEVREDEN_DATABASE_URL"] = fresh(kind)
    token = alone.command("token", "add", "tests")
    alone.start()
    site = add_site(alone.http, alone.url, token)
    survey = site.publish()
    for _ in range(times(10, 100)):
        events = {"events": [response(survey, comment="x" * 900) for _ in range(50)]}
        assert alone.http.post(f"{alone.url}/w/{site.key}/events", json=events).status_code == 200
    taken = []
    with Load(site, survey) as load:
        for number in range(times(2, 20)):
            wanted = len(load.acknowledged) + PER_SECOND // 4
            wait_until(lambda wanted=wanted: len(load.acknowledged) > wanted, lambda: f"{load.wrong}")  # type: ignore[misc]
            before = load.acknowledged.copy()
            file = tmp_path / f"{number}.backup"
            alone.command("backup", str(file))
            assert file.stat().st_mode & 0o777 == 0o600
            taken.append((file, before))
        assert not load.wrong
    assert alone.stop() == 0
    for number, (file, before) in enumerate(taken):
        check_restored(file, fresh(KINDS[(KINDS.index(kind) + number) % 2]), before)


def check_restored(file: Path, target: str, before: set[str]) -> None:
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    taken = file.read_bytes()
    done = run_command("restore", file, url=target)
    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == taken, "a backup stays as it is"
    assert run_command("check-data", url=target).returncode == 0
    rows = everything_in(target)
    assert before <= {str(row["id"]) for row in rows["responses"]}
    shown = {row["id"] for row in rows["impressions"]}
    assert all(row["impression_id"] in shown for row in rows["responses"] if row["impression_id"]), "a moment is whole"


# ---- what is refused


@pytest.fixture(params=KINDS)
def filled(request: pytest.FixtureRequest, fresh: Callable[[str], str]) -> str:
    """The URL of a store that holds something."""
    url = fresh(request.param)

    async def fill() -> None:
        async with opened(url) as database:
            await fill_with_anything(database, 2)

    in_a_loop(fill)
    return url


@pytest.fixture
def backup(fresh: Callable[[str], str], tmp_path: Path) -> Path:
    """A sound backup."""
    url, file = fresh("sqlite"), tmp_path / "sound.backup"

    async def make() -> None:
        async with opened(url) as database:
            await fill_with_anything(database, 3, 200)
            await back_up(database, file, silent)

    in_a_loop(make)
    return file


def test_restore_over_something_has_to_be_said(filled: str, backup: Path) -> None:
    before = everything_in(filled)
    assert "holds data already; --overwrite replaces all of it" in refused("restore", backup, url=filled)
    assert everything_in(filled) == before
    assert run_command("restore", backup, "--overwrite", "--keep-tokens", url=filled).returncode == 0
    assert everything_in(filled) == everything_in(f"sqlite:///{backup}") != before


def _text(file: Path) -> None:
    file.write_text("Dear all,\n" * 1000)


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _absent(file: Path) -> None:
    file.unlink()


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _other_database(file: Path) -> None:
    file.unlink()
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE albums (id INTEGER PRIMARY KEY)")
    connection.close()


def _cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _zeroed(file: Path) -> None:
    with file.open("r+b") as handle:
        handle.seek(file.stat().st_size // 4096 // 2 * 4096)
        handle.write(bytes(4096))


def _scrambled(file: Path) -> None:
    with file.open("r+b") as handle:
        for page in range(3, file.stat().st_size // 4096, 5):
            handle.seek(page * 4096)
            handle.write(random.Random(page).randbytes(40))


def _later(file: Path) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()


SPOILT: dict[Callable[[Path], None], str] = {
    _text: "is not a valid Tevreden backup",
    _empty: "is not a valid Tevreden backup",
    _absent: "there is no file",
    _folder: "there is no file",
    _other_database: "is not a valid Tevreden backup",
    _cut_off: "is not a valid Tevreden backup",
    _zeroed: "is not a valid Tevreden backup",
    _scrambled: "is not a valid Tevreden backup",
    _later: "are from a later release",
}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__.strip("_"))
def test_what_is_no_sound_backup_is_refused_and_changes_nothing(
    spoil: Callable[[Path], None], backup: Path, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    target = fresh("sqlite")
    spoil(backup)
    assert SPOILT[spoil] in refused("restore", backup, "--overwrite", url=target)
    assert not any(everything_in(target).values())
    assert not [file for file in tmp_path.iterdir() if ".restoring" in file.name]


def test_backup_of_the_tables_of_a_later_release_is_refused(filled: str, tmp_path: Path) -> None:
    async def stamp() -> None:
        async with as_it_is(filled) as database, database.write() as connection:
            await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    in_a_loop(stamp)
    done = run_command("backup", tmp_path / "b", url=filled)
    assert done.returncode == 1
    assert "are from a later release" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "b").exists()


def test_restore_while_a_collector_serves_the_file_is_refused(alone: Process, backup: Path, tmp_path: Path) -> None:
    alone.start()
    url = f"sqlite:///{tmp_path / 'tevreden.db'}"
    for more in ([], ["--overwrite"]):
        assert "already serving" in refused("restore", backup, *more, url=url)
    assert alone.http.get(alone.url + "/readyz").status_code == 200
    alone.stop()
    assert run_command("restore", backup, url=url).returncode == 0


def test_backup_onto_something_is_refused(filled: str, tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("precious")
    folder.mkdir()
    for target in (file, folder):
        assert "already exists; choose another" in refused("backup", target, url=filled)
    assert file.read_text() == "precious"
    assert list(folder.iterdir()) == []
    assert not [left for left in tmp_path.iterdir() if left.name.startswith(("file.", "folder."))]


def test_backup_into_no_folder_is_refused(filled: str, tmp_path: Path) -> None:
    said = refused("backup", tmp_path / "no" / "folder" / "x", url=filled)
    assert "cannot write" in said
    assert "No such file or directory" in said


# ---- what fails in the middle


class Interruption(Exception):
    """Something outside went wrong."""


@pytest.mark.parametrize("table", ["responses", "tokens"][: times(1, 2)])
def test_backup_that_fails_in_the_middle_leaves_nothing(filled: str, tmp_path: Path, table: str) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()

    def fail(at: str, _: int) -> None:
        if at == table:
            raise Interruption

    async def make() -> None:
        async with opened(filled) as database:
            with pytest.raises(Interruption):
                await back_up(database, folder / "x", fail)
            assert list(folder.iterdir()) == []
            await back_up(database, folder / "x", silent)

    in_a_loop(make)
    assert [file.name for file in folder.iterdir()] == ["x"]


def test_backup_that_runs_out_of_room_says_so_and_leaves_nothing(filled: str, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "collector", "backup", str(folder / "x")],
        env={"PYTHONPATH": str(ROOT), "TEVREDEN_DATABASE_URL": filled, "TEVREDEN_SECRET": SECRET},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (330_000, 330_000)),  # tables: 283 KB
    )
    assert done.returncode == 1
    assert done.stderr.startswith("tevreden: cannot copy "), done.stderr
    assert f"to {folder / 'x'}: " in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert list(folder.iterdir()) == []


def test_backup_that_is_killed_is_no_backup_and_the_next_one_succeeds(filled: str, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    killing = (
        "import asyncio, os, signal, sys; from pathlib import Path; from collector.db.backup import back_up\n"
        "from tests.stores import opened\n"
        "async def run():\n"
        "    async with opened(sys.argv[1]) as database:\n"
        "        await back_up(database, Path(sys.argv[2]), die)\n"
        "def die(table, done):\n"
        "    if table == 'tokens':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(run())\n"
    )
    done = subprocess.run([sys.executable, "-c", killing, filled, folder / "x"], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == -9
    assert not (folder / "x").exists()
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in folder.iterdir())
    assert run_command("backup", folder / "x", url=filled).returncode == 0
    assert [file.name for file in folder.iterdir()] == ["x"]


def test_restore_that_fails_in_the_middle_leaves_what_was_there(filled: str, backup: Path) -> None:
    before = everything_in(filled)

    def fail(table: str, _: int) -> None:
        if table == "tokens":
            raise Interruption

    async def put_back() -> None:
        async with opened(filled) as database:
            with pytest.raises(Interruption):
                await restore(backup, database, fail, overwrite=True, keep_tokens=True)

    in_a_loop(put_back)
    assert everything_in(filled) == before
    assert not [file for file in backup.parent.iterdir() if ".restoring" in file.name]


def test_whatever_is_made_of_a_backup_is_for_its_owner_alone(
    filled: str, backup: Path, fresh: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while it is being made, under a mask that lets everyone read."""
    modes: set[str] = set()
    folder = tmp_path / "made"
    folder.mkdir()
    shutil.copy(backup, folder / "old")
    (folder / "old").chmod(0o600)

    def look(*_: object) -> None:
        modes.update(f"{file.name} {file.stat().st_mode & 0o777:o}" for file in folder.iterdir())

    connect = sqlite3.connect

    def look_and_connect(*arguments: Any, **options: Any) -> Any:
        made = connect(*arguments, **options)
        look()
        return made

    monkeypatch.setattr(sqlite3, "connect", look_and_connect)
    earlier = os.umask(0)
    try:

        async def both() -> None:
            async with opened(filled) as database:
                await back_up(database, folder / "new", look)
            async with opened(fresh("sqlite")) as database:
                await restore(folder / "old", database, look)

        in_a_loop(both)
    finally:
        os.umask(earlier)
    look()
    assert {mode.split()[0] for mode in modes} >= {"new", "new.unfinished"}
    assert any(".restoring" in mode for mode in modes)
    assert [mode for mode in modes if not mode.endswith(" 600")] == []


def test_two_backups_to_one_name_never_mix(filled: str, tmp_path: Path) -> None:
    """The second one is refused; the first one is whole."""
    target = tmp_path / "x"
    began: list[str] = []

    async def make() -> None:
        async with opened(filled) as first, opened(filled) as second:

            def meanwhile(table: str, _: int) -> None:
                if table == "sites":
                    began.append(table)

            results = await asyncio.gather(
                back_up(first, target, meanwhile), back_up(second, target, meanwhile), return_exceptions=True
            )
            assert sum(isinstance(one, BackupError) for one in results) == 1, results
            assert sum(one is None for one in results) == 1, results

    in_a_loop(make)
    assert began
    assert everything_in(f"sqlite:///{target}") == {**everything_in(filled), **{table.name: [] for table in PASSING}}


@pytest.mark.parametrize("kind", KINDS)
def test_site_that_is_added_after_a_restore_has_a_number_of_its_own(
    kind: str, fresh: Callable[[str], str], filled: str, tmp_path: Path
) -> None:
    backup, target = tmp_path / "backup.db", fresh(kind)
    assert run_command("backup", backup, url=filled).returncode == 0
    assert run_command("restore", backup, url=target).returncode == 0
    before = {row["id"] for row in everything_in(target)["sites"]}
    assert run_command("site", "add", "Another", url=target).returncode == 0
    assert len({row["id"] for row in everything_in(target)["sites"]} - before) == 1
