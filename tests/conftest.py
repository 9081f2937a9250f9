"""What tests share: a collector in a process of its own, sites on it, and an application without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from anyio.from_thread import start_blocking_portal
from argon2 import PasswordHasher
from sqlalchemy import Column, select
from starlette.testclient import TestClient

from collector.access import accounts
from collector.db.schema import jobs
from collector.run.app import create_app, open_services
from collector.settings import Settings
from tests.needs import do_without
from tests.postgres import Cluster, missing, running
from tests.site_statements import Watch, watched

ROOT = Path(__file__).parent.parent
CONTRACT = Path(__file__).parent / "contract"
SECRET = "a secret that only the tests know of, 0123456789"
BROWSER_SECRET = "what one browser made"
"""Of the showings whose events the tests send, so that later states of them are taken."""
PASSWORD = "correct horse battery"
USER = "owner@example.com"
ORIGIN = {"Origin": "http://collector.test", "Accept": "text/html"}
"""Headers of a form that a page of the admin sends."""
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"

_numbers = count(1)


PROCESSES = {"alone", "collector", "postgres"}
"""Fixtures that start one, which takes a second or more."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tests that need a process of their own out of ``make quick``."""
    for item in items:
        if isinstance(item, pytest.Function) and PROCESSES & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)


def tevreden(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as people do, in a folder of its own."""
    return subprocess.run(
        [sys.executable, "-m", "collector", *arguments],
        cwd=folder,
        env=_environment(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _environment(extra: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TEVREDEN_")}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1", **extra}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A collector that runs beside the tests, in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.arguments = arguments or ("serve",)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {"TEVREDEN_SECRET": SECRET, "TEVREDEN_PORT": str(self.port)}
        self.output = folder / "output.txt"
        self.http = httpx.Client(timeout=10, verify=False)
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> str:
        done = tevreden(*arguments, folder=self.folder, **self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def launch(self) -> None:
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "collector", *self.arguments],
                cwd=self.folder,
                env=_environment(self.environment),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def start(self) -> None:
        """Launch it, and wait until it is ready."""
        self.launch()
        assert self._process
        deadline = time.monotonic() + 30
        while True:
            try:
                if self.http.get(self.url + "/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                assert self._process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, "the collector did not become ready"
            time.sleep(0.02)  # the pause between two looks at a condition

    def stay_on(self, core: int) -> None:
        """Run on one core alone, every thread of it."""
        assert self._process
        for thread in Path(f"/proc/{self._process.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})

    def memory(self, name: str = "VmRSS") -> int:
        """A line of /proc/PID/status in bytes: VmRSS is what it has now, VmHWM the most it had."""
        assert self._process
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.findall(rf"{name}:\s+(\d+)", status)[0]) * 1024

    def processor_seconds(self) -> float:
        """What it has used so far, in all its threads."""
        assert self._process
        used = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Whatever happened: nothing of it stays."""
        self.http.close()
        if self._process and self._process.poll() is None:
            self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self._process
        self._process.send_signal(how)
        return self._process.wait(20)


@dataclass
class Site:
    """A website on the running collector."""

    http: httpx.Client
    url: str
    token: str
    key: str
    identify_secret: str
    tag: str

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return self.http.request(
            method,
            f"{self.url}/api/v1{path}",
            params={"site": self.key, **query},
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def publish(self, **document: Any) -> dict[str, Any]:
        """Create a survey from a document, with what a test does not care for filled in, and publish it."""
        complete = {
            "name": f"Survey {next(_numbers)}",
            "metric": "csat",
            "question": "How satisfied are you?",
            **document,
        }
        made = self.call("POST", "/surveys", complete)
        assert made.status_code == 201, made.text
        published = self.call("POST", f"/surveys/{made.json()['id']}/publish")
        assert published.status_code == 200, published.text
        survey: dict[str, Any] = published.json()
        return survey

    def change(self, **settings: Any) -> None:
        """Give the site other settings."""
        changed = self.call("PATCH", f"/sites/{self.key}", settings)
        assert changed.status_code == 200, changed.text

    def responses(self, **query: Any) -> list[dict[str, Any]]:
        found = self.call("GET", "/responses", **query)
        assert found.status_code == 200, found.text
        items: list[dict[str, Any]] = found.json()["items"]
        return items

    def results(self, survey: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/surveys/{survey['id']}/results").json()
        return found


def add_site(http: httpx.Client, url: str, token: str) -> Site:
    made = http.post(
        url + "/api/v1/sites",
        json={"name": f"Site {next(_numbers)} of {os.getpid()}"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert made.status_code == 201, made.text
    site = made.json()
    return Site(http, url, token, site["key"], site["identify_secret"], site["tag"])


@pytest.fixture(scope="session")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str]]:
    """A running collector and a token for it, one for each test process."""
    process = Process(tmp_path_factory.mktemp("collector"))
    token = process.command("token", "add", "tests")
    process.start()
    yield process, token
    assert process.stop() == 0, process.output.read_text()
    process.close()
    assert not re.search("Traceback|unexpected", process.output.read_text()), process.output.read_text()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Process]:
    """A collector for one test, in a folder of its own, not started yet."""
    process = Process(tmp_path)
    yield process
    process.close()


@pytest.fixture
def site(collector: tuple[Process, str]) -> Site:
    """A website of this test's own."""
    process, token = collector
    return add_site(process.http, process.url, token)


@dataclass
class App:
    """The application in this process, with one site, reached without a network."""

    client: TestClient
    folder: Path
    site: Site

    def send(self, *events: dict[str, Any], headers: dict[str, str] | None = None, **envelope: Any) -> httpx.Response:
        return self.client.post(
            f"/w/{self.site.key}/events",
            content=json.dumps({"events": list(events), **envelope}),
            headers={"User-Agent": PERSON, **(headers or {})},
        )

    def come_from(self, address: str) -> None:
        """Send from now on what is sent from this address."""
        self.client._transport.client = (address, 50_000)  # type: ignore[attr-defined]

    def await_told(self) -> None:
        """Wait until whoever wants to hear of what was stored has a job for it."""
        deadline = time.monotonic() + 30
        while ("new",) in self.rows(jobs.c.status):
            assert time.monotonic() < deadline, "the worker tells nobody"
            time.sleep(0.02)  # the pause between two looks at a condition

    def rows(self, *columns: Column[Any]) -> list[tuple[Any, ...]]:
        """What the store holds in some columns of a table."""

        async def read() -> list[tuple[Any, ...]]:
            async with self.client.app.state.services.database.read() as connection:  # type: ignore[attr-defined]
                return [tuple(row) for row in await connection.execute(select(*columns))]

        assert self.client.portal
        return self.client.portal.call(read)


@pytest.fixture(scope="session")
def watched_statements() -> Iterator[Watch]:
    """Every statement that this process sends to a database."""
    with watched() as watch:
        yield watch


@pytest.fixture(autouse=True)
def every_statement_names_its_site(watched_statements: Watch) -> Iterator[None]:
    """Whatever a test is about: no statement that it runs on a site's table leaves the site out."""
    yield
    nameless = watched_statements.take()
    assert not nameless, "\n".join(map(str, nameless))


QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
QUICKLY_HASHED = QUICK.hash(PASSWORD)
SLOW = accounts._hasher, accounts._NOBODY
"""How passwords are looked at where people use it, which takes more than all else that a test does."""


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """In this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "_hasher", QUICK)
        patch.setattr(accounts, "_NOBODY", QUICK.hash("nobody"))
        yield


@pytest.fixture(scope="session")
def postgres_installed() -> None:
    if lacking := missing():
        do_without(f"these packages are not installed: {', '.join(lacking)}")


@pytest.fixture(scope="session")
def postgres(postgres_installed: None) -> Iterator[Cluster]:  # noqa: ARG001
    """A PostgreSQL for one test process, quick rather than durable."""
    with running(durable=False) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def furnished_postgres(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The name of a database with its tables, a user and an API token, for tests to copy; and the token."""
    url = postgres.create_database("furnished")
    environment = {"TEVREDEN_SECRET": SECRET, "TEVREDEN_DATABASE_URL": url}
    folder = tmp_path_factory.mktemp("furnished-postgres")
    token = tevreden("token", "add", "tests", folder=folder, **environment).stdout.strip()
    tevreden("user", "add", USER, "--password", PASSWORD, folder=folder, **environment)
    postgres.execute(f"UPDATE users SET password_hash = '{QUICKLY_HASHED}'", database="furnished")
    return "furnished", token


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store with its tables, a user and an API token, for tests to copy."""
    file = tmp_path_factory.mktemp("furnished") / "tevreden.db"
    environment = {"TEVREDEN_SECRET": SECRET, "TEVREDEN_DATABASE_URL": f"sqlite:///{file}"}
    token = tevreden("token", "add", "tests", folder=file.parent, **environment).stdout.strip()
    tevreden("user", "add", USER, "--password", PASSWORD, folder=file.parent, **environment)
    with closing(sqlite3.connect(file)) as store:
        store.execute("UPDATE users SET password_hash = ?", [QUICKLY_HASHED])
        store.commit()
    return file, token


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URL of a furnished store of this test's own, on either database, and an API token for it."""
    if request.param == "sqlite":
        file, token = request.getfixturevalue("furnished")
        shutil.copy(file, tmp_path)
        yield f"sqlite:///{tmp_path / file.name}", token
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    template, token = request.getfixturevalue("furnished_postgres")
    name = f"test_{next(_numbers)}"
    cluster.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield cluster.url(name), token
    cluster.drop_database(name)


@pytest.fixture
def app(tmp_path: Path, store: tuple[str, str]) -> Iterator[App]:
    """An application on a store of its own, with one site and a user."""
    url, token = store
    settings = Settings(database_url=url, secret=SECRET)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_services(settings)) as open_:
        client = TestClient(create_app(open_), base_url="http://collector.test", follow_redirects=False)
        client.portal = portal
        yield App(client, tmp_path, add_site(client, "", token))


def sign_in(app: App, email: str = USER, password: str = PASSWORD, **headers: str) -> Any:
    form = {"email": email, "password": password}
    return app.client.post("/admin/sign-in", data=form, headers={**ORIGIN, **headers})


@pytest.fixture
def owner(app: App) -> App:
    """The application, with its user signed in, who owns every site."""
    assert sign_in(app).status_code == 303
    return app


@pytest.fixture
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Makes the URL of a store that is not there yet, or empty."""
    made = []

    def make(kind: str) -> str:
        name = f"fresh_{next(_numbers)}"
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / name}.db"
        made.append(name)
        cluster: Cluster = request.getfixturevalue("postgres")
        return cluster.create_database(name)

    yield make
    for name in made:
        request.getfixturevalue("postgres").drop_database(name)
