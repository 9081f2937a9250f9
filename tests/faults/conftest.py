"""A collector that is treated badly, on a store of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from collector.access.tokens import add_token
from collector.db.opening import opened
from collector.settings import Settings
from tests.conftest import SECRET, Process, Site, add_site
from tests.faults.audit import Audit, audit
from tests.faults.load import Load
from tests.postgres import Cluster, quiet_port

UNLIMITED = {"TEVREDEN_RATE_PER_ADDRESS": "0", "TEVREDEN_RATE_PER_SITE": "0"}
"""All of the load comes from one address."""

_numbers = count(1)


class Collector(Process):
    """A collector on a store that already exists, at a port where it is found again after a fault."""

    def __init__(self, folder: Path, url: str, token: str) -> None:
        super().__init__(folder)
        self.store, self.token = url, token
        self.port = quiet_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start_seconds = 0.0
        """How long the last start took until it was ready, but for what other programs of the machine took from it."""
        self.environment |= {"TEVREDEN_PORT": str(self.port), "TEVREDEN_DATABASE_URL": url, **UNLIMITED}

    def start(self) -> None:
        began = time.monotonic()
        super().start()
        self.start_seconds = time.monotonic() - began - self._seconds_without_processor()

    def _seconds_without_processor(self) -> float:
        file = Path(f"/proc/{self.pid}/schedstat")
        return int(file.read_text().split()[1]) / 1e9 if file.exists() else 0.0

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def add_survey(self) -> tuple[Site, dict[str, Any]]:
        """A site of its own with a published survey; the collector runs."""
        site = add_site(self.http, self.url, self.token)
        return site, site.publish()

    def check_data(self) -> None:
        assert self.command("check-data") == "All totals are correct."

    def has_ended(self, seconds: float) -> bool:
        """Whether it ends by itself within so many seconds, all well."""
        assert self._process
        try:
            return self._process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            return False

    def end(self) -> None:
        """Stop it as a service manager does; it has 15 seconds."""
        began = time.monotonic()
        assert self.stop(signal.SIGTERM) == 0, self.output.read_text()
        assert time.monotonic() - began < 15
        self.check_output()

    def check_output(self) -> None:
        """Whatever happened to it, it saw it coming."""
        written = self.output.read_text()
        assert "Traceback" not in written, written
        assert not re.search(r"^\S+ \[error *\]", written, re.MULTILINE), written

    def begin_new_output(self) -> None:
        """Leave no trace of what it said so far."""
        self.check_output()
        os.truncate(self.output, 0)


@dataclass
class Place:
    """A running collector with a survey, and whoever answers it."""

    collector: Collector
    site: Site
    survey: dict[str, Any]

    def load(self, **options: Any) -> Load:
        return Load([self.collector.port], self.site, self.survey, **options)

    def audit(self) -> Audit:
        """What is stored of this site."""
        return audit(self.collector.store, self.site.key)

    def end(self, load: Load) -> None:
        """Everybody gets their answer in, the collector is stopped, and everything is where it must be."""
        load.finish()
        self.collector.end()
        self.audit().accounts_for(load)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Start a collector on a furnished store, with these settings or other variables, and publish a survey."""
    begun: list[Collector] = []

    def begin(store: tuple[str, str], **environment: str) -> Place:
        folder = tmp_path / f"collector-{len(begun)}"
        folder.mkdir()
        collector = Collector(folder, *store)
        collector.environment |= environment
        begun.append(collector)
        collector.start()
        return Place(collector, *collector.add_survey())

    yield begin
    for collector in begun:
        collector.close()


@pytest.fixture
def place(begin: Callable[..., Place], store: tuple[str, str]) -> Place:
    """A collector of this test's own, on either database."""
    return begin(store)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def lasting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector on either database, one for each test process."""
    folder = tmp_path_factory.mktemp("lasting")
    url = f"sqlite:///{folder}/tevreden.db"
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgres")
        url = cluster.create_database("lasting")
    collector = Collector(folder, url, furnish(url))
    try:
        collector.start()
        yield collector
        collector.end()
    finally:
        collector.close()


@pytest.fixture
def shared_place(lasting: Collector) -> Place:
    """A site of this test's own on a collector that others use as well: to be left as it was."""
    return Place(lasting, *lasting.add_survey())


@pytest.fixture
def sqlite_store(furnished: tuple[Path, str], tmp_path: Path) -> tuple[str, str]:
    """The URL of a furnished file of this test's own, and an API token for it."""
    file, token = furnished
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / file.name).write_bytes(file.read_bytes())
    return f"sqlite:///{folder / file.name}", token


@pytest.fixture
def postgres_store(postgres: Cluster, furnished_postgres: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """The same on PostgreSQL."""
    template, token = furnished_postgres
    name = f"faults_{next(_numbers)}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield postgres.url(name), token
    postgres.drop_database(name)


def furnish(url: str) -> str:
    """Make the tables, and an API token."""

    async def add() -> str:
        settings = Settings(database_url=url, secret=SECRET)
        async with opened(settings) as database, database.write() as connection:
            return await add_token(connection, "tests", now=datetime.now(UTC))

    with start_blocking_portal() as portal:
        return portal.call(add)
