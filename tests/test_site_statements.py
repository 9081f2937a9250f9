"""What looks at every statement of the suite notices one that leaves the site out, and no other."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.opening import open_database
from collector.db.schema import impressions, jobs, responses
from collector.db.statements import write_all
from collector.db.verbs import Call, Find, Insert, Replace, Steps
from collector.settings import Settings
from tests.conftest import ROOT, SECRET
from tests.site_statements import OVER_ALL_SITES, TABLES, Watch, tables_without_site
from tests.stores import in_a_loop


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("SELECT surveys.name FROM surveys WHERE surveys.id = ?", {"surveys"}),
        ("SELECT surveys.site_id, surveys.name FROM surveys WHERE surveys.id = ?", {"surveys"}),
        ("SELECT name FROM surveys WHERE name = 'site_id = 1'", {"surveys"}),
        ("DELETE FROM jobs WHERE jobs.id IN (SELECT jobs.id FROM jobs WHERE jobs.site_id = ?)", {"jobs"}),
        ("SELECT 1 FROM jobs JOIN payloads ON payloads.id = jobs.payload_id WHERE jobs.site_id = ?", {"payloads"}),
        ("SELECT 1 FROM jobs, payloads WHERE payloads.site_id = $1", {"jobs"}),
        ("UPDATE webhooks SET site_id = ? WHERE id = ?", {"webhooks"}),
        ("INSERT INTO webhooks (id, url) VALUES (?, ?)", {"webhooks"}),
        ("SELECT * FROM responses WHERE responses.site_id != ?", {"responses"}),
        ("SELECT surveys.name FROM surveys WHERE surveys.site_id = ? AND surveys.id = ?", set()),
        ("SELECT surveys.name FROM surveys WHERE surveys.site_id IN (?, ?)", set()),
        ('SELECT score FROM responses WHERE "site_id" = ? AND "id" IN (?)', set()),
        ("SELECT 1 FROM jobs JOIN payloads ON payloads.site_id = jobs.site_id WHERE jobs.site_id = ?", set()),
        ('SELECT 1 FROM responses AS t WHERE t."site_id" = wanted."site_id"', set()),
        ("INSERT INTO rollups (site_id, impressions, responses) VALUES (?, ?, ?)", set()),
        ("SELECT users.email FROM users WHERE users.id = ?", set()),
        ("CREATE TABLE jobs (id INTEGER)", set()),
    ],
)
def test_statement_says_which_site_it_is_about(statement: str, tables: set[str]) -> None:
    assert tables_without_site(statement) == tables


def test_tables_of_sites_are_those_whose_key_names_the_site() -> None:
    assert {"surveys", "responses", "impressions", "rollups", "jobs", "webhooks", "members"} <= TABLES
    assert not {"users", "sites", "tokens", "links", "audit"} & TABLES


SENDER = """
async def send(connection, query):
    await connection.execute(query)
"""


def _send_from(path: Path) -> Callable[[AsyncConnection, Any], Any]:
    """A function that sends a statement as if it stood in this file."""
    names: dict[str, Any] = {}
    exec(compile(SENDER, str(path), "exec"), names)
    found: Callable[[AsyncConnection, Any], Any] = names["send"]
    return found


def test_statement_of_the_collector_that_leaves_its_site_out_is_told_with_its_place(
    fresh: Callable[[str], str], kind: str, watched_statements: Watch
) -> None:
    ours, theirs = _send_from(ROOT / "collector" / "made_up.py"), _send_from(ROOT / "tests" / "made_up.py")

    async def send() -> None:
        database = await open_database(Settings(database_url=fresh(kind), secret=SECRET))
        async with database.read() as connection:
            await ours(connection, select(responses).where(responses.c.site_id == 1))
            await theirs(connection, select(responses))
            await ours(connection, select(responses))
        await database.close()

    in_a_loop(send)
    (told,) = watched_statements.take()
    assert "FROM responses" in told.statement
    assert str(told).startswith("collector/made_up.py:3 in send: names no site_id: SELECT")


def test_part_of_a_batch_that_leaves_its_site_out_is_told(
    fresh: Callable[[str], str], kind: str, watched_statements: Watch
) -> None:
    nameless, named = (
        Find(responses, ("survey_number", "id"), ("score",)),
        Find(impressions, ("site_id", "id"), ("device",)),
    )

    def steps() -> Steps[None]:
        yield [Call(named, [(1, "0" * 32)]), Call(nameless, [(1, "0" * 32)])]

    async def send() -> None:
        database = await open_database(Settings(database_url=fresh(kind), secret=SECRET))
        await database.batch(steps)
        await database.close()

    in_a_loop(send)
    (told,) = watched_statements.take()
    assert "FROM responses" in told.statement


def test_part_that_writes_without_its_site_is_told(watched_statements: Watch) -> None:
    write_all((Insert(jobs, ("id", "kind")), Replace(jobs, ("site_id", "id"), ("kind",))))
    (told,) = watched_statements.take()
    assert told.statement.startswith("INSERT INTO jobs")


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.mark.parametrize(("path", "function"), OVER_ALL_SITES)
def test_whoever_may_leave_the_site_out_is_there(path: str, function: str) -> None:
    module = import_module(path.removesuffix(".py").replace("/", "."))
    assert hasattr(module, function), "it has gone, or is called otherwise now"
    assert OVER_ALL_SITES[path, function]
