"""From the tables of the release before to these: nothing lost, whenever it is cut short, and the way back open."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.migrations.upgrade import upgrade
from collector.db.partitions import first_id, make_partitions
from collector.db.postgres import PostgreSQL
from collector.db.schema import impressions, metadata, new_id, responses, revisions, sites, surveys
from collector.responses.rollups import total_of
from collector.surveys.document import read_document
from tests.conftest import PERSON, ROOT, SECRET, Process, add_site
from tests.faults.times import times
from tests.postgres import Cluster
from tests.stores import Rows, as_it_is, differences_in, everything_in, in_a_loop, opened, rows_of, run_command
from tests.test_intake import impression, response

FIRST = "0001"
LATER = "9999"
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Kind:
    """One of the two databases, with a store of the first release to copy."""

    name: str
    copy: Callable[[], str]
    """Makes a copy of it and gives back its URL."""
    empty: Callable[[], str]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kind]:
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("first-release")
        file = folder / "first.db"
        in_a_loop(lambda: make_first_release(f"sqlite:///{file}"))

        def empty_file() -> str:
            return f"sqlite:///{folder / new_id().hex}.db"

        def copy_file() -> str:
            url = empty_file()
            shutil.copy(file, url.removeprefix("sqlite:///"))
            return url

        yield Kind("sqlite", copy_file, empty_file)
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    in_a_loop(lambda: make_first_release(cluster.create_database("first_release")))
    made: list[str] = []

    def database(template: str) -> str:
        name = f"first_{new_id().hex}"
        cluster.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        made.append(name)
        return cluster.url(name)

    yield Kind("postgresql", lambda: database("first_release"), lambda: database("template0"))
    for name in (*made, "first_release"):
        cluster.drop_database(name)


async def make_first_release(url: str) -> None:
    async with as_it_is(url) as database, database.write() as connection:
        await connection.run_sync(upgrade, FIRST)
        if isinstance(database, PostgreSQL):
            await make_partitions(connection, NOW)
        await write_as_the_first_release(connection)


async def write_as_the_first_release(connection: AsyncConnection, seed: int = 1) -> None:
    """Two sites' answers over half a year, in statements that name only the columns of the first release."""
    chance = random.Random(seed)
    for letter in "ab":
        site = {"id": new_id(), "key": f"{letter}{seed}site", "name": f"{letter} {seed}", "created_at": NOW}
        await connection.execute(insert(sites).values(site))
        for number in range(2):
            survey, shown, answered = _survey_of_the_first_release(chance, site["id"], f"{letter}{number}")
            document = {"document": survey["document"]}
            await connection.execute(insert(surveys).values(survey))
            numbers = [
                {"site_id": site["id"], "survey_id": survey["id"], "number": one, "published_at": NOW} | document
                for one in (1, 2)
            ]
            await connection.execute(insert(revisions), numbers)
            await connection.execute(insert(impressions), shown)
            await connection.execute(insert(responses), answered)


def _survey_of_the_first_release(
    chance: random.Random, site_id: Any, key: str
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    document = read_document({"name": key, "metric": "csat", "question": "?"}).as_json()
    survey = {
        "site_id": site_id,
        "id": new_id(),
        "key": key,
        "name": key,
        "status": "published",
        "document": document,
        "revision": 2,
        "created_at": NOW,
        "updated_at": NOW,
    }
    shown, answered = [], []
    for _ in range(60):
        # in every partition, at every hour of the day, and with ids of a browser whose clock is wrong
        moment = NOW - timedelta(days=chance.uniform(0, 180))
        row_id = chance.choice(
            [UUID(int=first_id(moment).int + chance.getrandbits(60)), UUID(int=chance.getrandbits(128))]
        )
        where = {
            "site_id": site_id,
            "survey_id": survey["id"],
            "revision": chance.choice([1, 2]),
            "visitor_id": chance.choice([None, UUID(int=chance.getrandbits(128))]),
            "page": chance.choice([None, "", "https://shop.example/order/17?x=1"]),
            "language": chance.choice([None, "en", "nl-NL"]),
            "device": chance.choice(["desktop", "phone"]),
            "browser": chance.choice([None, "Firefox"]),
            "system": None,
            "bot": chance.random() < 0.2,
        }
        fate = chance.choice(["seen", "dismissed", "answered", "answered", "alone"])
        if fate != "alone":
            dismissed = {"dismissed_at": moment + timedelta(minutes=1)} if fate == "dismissed" else {}
            shown.append({"id": row_id, "shown_at": moment, "dismissed_at": None, **dismissed, **where})
        if fate in ("answered", "alone"):
            answered.append(
                {
                    "id": UUID(int=row_id.int ^ 1),
                    "impression_id": row_id if fate == "answered" else None,
                    "state": 1,
                    "complete": chance.random() < 0.5,
                    "score": chance.randint(1, 5),
                    "group": "neutral",
                    "comment": chance.choice([None, "Fine"]),
                    "email": chance.choice([None, "a@example.com"]),
                    "email_verified": False,
                    "consent_text": None,
                    "created_at": moment + timedelta(minutes=2),
                    "updated_at": moment + timedelta(minutes=3),
                    **where,
                }
            )
    return survey, shown, answered


async def migrate(url: str) -> None:
    async with opened(url):
        pass


# ---- forwards


def test_answers_of_the_release_before_are_kept_and_counted(kind: Kind) -> None:
    url = kind.copy()
    before = everything_in(url)
    done = run_command("migrate", url=url)
    assert done.returncode == 0, done.stderr
    after = everything_in(url)
    assert len(before["responses"]) > 100
    for table, rows in before.items():
        assert sorted([{name: row[name] for name in rows[0]} for row in after[table]], key=_values) == rows, table

    answered = {row["impression_id"]: row["created_at"] for row in before["responses"]}
    for shown in after["impressions"]:
        assert shown["answered_at"] == answered.get(shown["id"])
    assert run_command("check-data", url=url).returncode == 0

    async def totals() -> dict[UUID, Any]:
        async with opened(url) as database, database.read() as connection:
            return {one["id"]: await total_of(connection, one["site_id"], one["id"]) for one in before["surveys"]}

    for survey, total in in_a_loop(totals).items():
        seen = [row for row in before["impressions"] if row["survey_id"] == survey and not row["bot"]]
        given = [row for row in before["responses"] if row["survey_id"] == survey and not row["bot"]]
        robots = [row for row in before["responses"] if row["survey_id"] == survey and row["bot"]]
        assert total.impressions == len(seen)
        assert total.dismissals == sum(row["dismissed_at"] is not None for row in seen)
        assert total.scores == Counter(row["score"] for row in given)
        assert total.comments == sum(row["comment"] is not None for row in given)
        assert total.emails == sum(row["email"] is not None for row in given)
        assert total.completed == sum(row["complete"] for row in given)
        assert total.robots == len(robots)


def _values(row: dict[str, Any]) -> str:
    return repr(list(row.values()))


@pytest.mark.parametrize("begin", ["copy", "empty"])
def test_tables_are_those_that_the_program_knows(kind: Kind, begin: str) -> None:
    url = getattr(kind, begin)()

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
    url = kind.copy()
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


@pytest.mark.parametrize("begin", ["copy", "empty"])
def test_migration_killed_at_any_statement_succeeds_when_run_again(
    kind: Kind, dying: Callable[[str, int], str], begin: str
) -> None:
    whole = getattr(kind, begin)()
    statements = int(dying(whole, 0))
    assert statements > 20
    wanted = everything_in(whole)
    step = times(9, 1)
    for number in range(1, statements + 1, step):
        url = getattr(kind, begin)()
        assert dying(url, number) == "killed"

        async def run_again(url: str = url) -> tuple[Rows, list[Any]]:
            async with opened(url) as database:
                async with database.read() as connection:
                    rows = await rows_of(connection)
                return rows, await differences_in(database)

        assert in_a_loop(run_again) == (wanted, []), f"killed before statement {number} of {statements}"


@pytest.mark.parametrize("begin", ["copy", "empty"])
def test_processes_that_migrate_at_once_take_turns(kind: Kind, begin: str) -> None:
    for _ in range(times(1, 20)):
        url = getattr(kind, begin)()
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


# ---- and back: one release beside another


def test_release_before_goes_on_writing_and_check_data_counts_it_in(kind: Kind) -> None:
    """It knows nothing of sums, so what it stored after the migration is in none until they are repaired."""
    url = kind.copy()
    in_a_loop(lambda: migrate(url))

    async def write() -> None:
        async with as_it_is(url) as database, database.write() as connection:
            await write_as_the_first_release(connection, seed=2)
            here = {"site": "a2site"}
            await connection.execute(
                text(
                    "UPDATE responses SET state = 2, score = 5, updated_at = created_at "
                    "WHERE site_id = (SELECT id FROM sites WHERE key = :site)"
                ),
                here,
            )
            await connection.execute(
                text(
                    "UPDATE impressions SET dismissed_at = NULL "
                    "WHERE site_id = (SELECT id FROM sites WHERE key = :site)"
                ),
                here,
            )
            await connection.execute(text("DELETE FROM responses WHERE comment IS NOT NULL AND score = 1"))

    in_a_loop(write)
    found = run_command("check-data", url=url)
    assert (found.returncode, found.stderr) == (3, "")
    assert "sums differ; --repair puts them right" in found.stdout
    assert run_command("check-data", "--repair", url=url).returncode == 0
    assert run_command("check-data", url=url).returncode == 0


@pytest.fixture
def later(kind: Kind) -> str:
    """A store that a release yet to come has added to."""
    url = kind.copy()

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
