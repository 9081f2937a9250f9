"""The tables are made whole, whenever that is cut short; and stores of other releases are met with a clear word."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from collector.db.ids import new_id
from collector.db.schema import metadata
from tests.conftest import PERSON, ROOT, SECRET, Process, add_site
from tests.events import impression, response
from tests.faults.times import times
from tests.postgres import Cluster
from tests.stores import Rows, as_it_is, differences_in, everything_in, in_a_loop, opened, rows_of, run_command

pytestmark = pytest.mark.slow

LATER = "9999"
EARLIER = "0007"
BEFORE = [
    "CREATE TABLE sites (id CHAR(32) PRIMARY KEY, key VARCHAR(32))",
    "CREATE TABLE surveys (site_id CHAR(32), id CHAR(32))",
    "CREATE TABLE responses (site_id CHAR(32), id CHAR(32), score SMALLINT)",
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
    "INSERT INTO sites VALUES ('0192', 'abcdefghjkmn')",
    f"INSERT INTO alembic_version VALUES ('{EARLIER}')",
]
"""The layout before the first release, as far as it matters."""


@dataclass(frozen=True)
class Kind:
    """One of the two databases."""

    name: str
    empty: Callable[[], str]
    """Makes an empty store and gives back its URL."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kind]:
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("stores")
        yield Kind("sqlite", lambda: f"sqlite:///{folder / new_id().hex}.db")
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    made: list[str] = []

    def database() -> str:
        name = f"store_{new_id().hex}"
        cluster.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        made.append(name)
        return cluster.url(name)

    yield Kind("postgresql", database)
    for name in made:
        cluster.drop_database(name)


async def migrate(url: str) -> None:
    async with opened(url):
        pass


# ---- made


def test_tables_are_those_that_the_program_knows(kind: Kind) -> None:
    url = kind.empty()

    def is_ours(_: Any, name: str | None, what: str, reflected: bool, counterpart: Any) -> bool:
        return not (what == "table" and reflected and counterpart is None and str(name).startswith(PARTITIONS))

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours})
        return list(compare_metadata(context, metadata))

    async def run() -> list[Any]:
        async with opened(url) as database, database.read() as connection:
            return await connection.run_sync(compare)

    assert in_a_loop(run) == []


PARTITIONS = ("impressions_", "responses_")


def test_migrating_again_changes_nothing(kind: Kind) -> None:
    url = kind.empty()
    in_a_loop(lambda: migrate(url))
    once = everything_in(url)
    in_a_loop(lambda: migrate(url))
    assert everything_in(url) == once


# ---- cut short


@pytest.fixture(scope="module")
def dying() -> Iterator[Callable[[str, int], str]]:
    """Opens a store and kills itself before the n-th statement; says what became of it."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.dying"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        stdin, stdout = process.stdin, process.stdout

        def open_and_die(url: str, number: int) -> str:
            stdin.write(f"{url} {number}\n")
            stdin.flush()
            return stdout.readline().strip()

        yield open_and_die
        stdin.close()


def test_migration_killed_at_any_statement_succeeds_when_run_again(
    kind: Kind, dying: Callable[[str, int], str]
) -> None:
    whole = kind.empty()
    statements = int(dying(whole, 0))
    assert statements > 20
    wanted = everything_in(whole)
    step = times(9, 1)
    for number in range(1, statements + 1, step):
        url = kind.empty()
        assert dying(url, number) == "killed"

        async def run_again(url: str = url) -> tuple[Rows, list[Any]]:
            async with opened(url) as database:
                async with database.read() as connection:
                    rows = await rows_of(connection)
                return rows, await differences_in(database)

        assert in_a_loop(run_again) == (wanted, []), f"killed before statement {number} of {statements}"


def test_processes_that_migrate_at_once_take_turns(kind: Kind) -> None:
    for _ in range(times(1, 20)):
        url = kind.empty()
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "collector", "migrate"],
                env={"PYTHONPATH": str(ROOT), "TEVREDEN_DATABASE_URL": url, "TEVREDEN_SECRET": SECRET},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for _ in range(2)
        ]
        said = [process.communicate(timeout=60) for process in processes]
        assert [process.returncode for process in processes] == [0, 0], said

        async def check(url: str = url) -> list[Any]:
            async with opened(url) as database:
                return await differences_in(database)

        assert in_a_loop(check) == []


# ---- other releases


@pytest.fixture
def later(kind: Kind) -> str:
    """A store that a release yet to come has added to."""
    url = kind.empty()

    async def add() -> None:
        async with opened(url) as database, database.write() as connection:
            await connection.execute(text("ALTER TABLE responses ADD COLUMN mood VARCHAR(20)"))
            await connection.execute(text("ALTER TABLE sites ADD COLUMN colour VARCHAR(20) DEFAULT 'blue' NOT NULL"))
            await connection.execute(text("CREATE TABLE moods (id INTEGER PRIMARY KEY)"))
            await connection.execute(text(f"UPDATE alembic_version SET version_num = '{LATER}'"))

    in_a_loop(add)
    return url


def test_tables_of_a_later_release_are_served(later: str, alone: Process) -> None:
    alone.environment["TEVREDEN_DATABASE_URL"] = later
    token = alone.command("token", "add", "tests")
    alone.start()
    site = add_site(alone.http, alone.url, token)
    survey = site.publish()
    shown = impression(survey)
    sent = {"events": [shown, response(survey, impression=shown["id"])]}
    reply = alone.http.post(f"{alone.url}/w/{site.key}/events", json=sent, headers={"User-Agent": PERSON})
    assert (reply.status_code, len(reply.json()["stored"])) == (200, 2)
    assert site.results(survey)["counts"]["scores"] == 1
    assert alone.stop() == 0
    assert "a later release" in alone.output.read_text()
    assert run_command("check-data", url=later).returncode == 0

    async def stamp() -> str:
        async with as_it_is(later) as database, database.read() as connection:
            return str((await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one())

    assert in_a_loop(stamp) == LATER, "the later release must find its tables as it left them"


@pytest.fixture
def earlier(kind: Kind) -> str:
    """A store of the layout before the first release."""
    url = kind.empty()

    async def make() -> None:
        async with as_it_is(url) as database, database.write() as connection:
            for statement in BEFORE:
                await connection.execute(text(statement))

    in_a_loop(make)
    return url


@pytest.mark.parametrize("command", ["serve", "migrate", "check-data"])
def test_store_from_before_the_first_release_gets_one_line_that_says_what_to_do(earlier: str, command: str) -> None:
    done = run_command(command, url=earlier)
    assert done.returncode == 1, done.stdout
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "made by a version before the first release" in done.stderr
    assert "export its responses with that version, and begin with a new one" in done.stderr


def test_backup_from_before_the_first_release_gets_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(backup)) as connection:
        for statement in BEFORE:
            connection.execute(statement)
        connection.commit()
    kept = backup.read_bytes()
    done = run_command("restore", backup, url=f"sqlite:///{tmp_path / 'new.db'}")
    assert done.returncode == 1, done.stdout
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "made by a version before the first release" in done.stderr
    assert backup.read_bytes() == kept
