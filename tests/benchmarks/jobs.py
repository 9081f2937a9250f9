"""How many jobs a minute: `python -m tests.benchmarks.jobs`.

On SQLite the collector with the worker in it, on PostgreSQL as many workers as there are cores; each delivers to a
receiver on this machine that answers at once. Counted from the first call that came to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from subprocess import STDOUT, Popen

from collector.access.sites import create_site
from collector.automations.webhooks import create_webhook
from collector.db.ids import new_hex_id
from collector.db.opening import opened
from collector.db.outbox import new_event, put_jobs
from collector.db.verbs import Call, Steps
from collector.responses.changes import event_body
from collector.responses.open_sites import OpenSurvey
from collector.settings import Settings
from tests.conftest import ROOT, SECRET, free_port
from tests.postgres import running
from tests.receiver import OWN_NETWORK, Receiver, receiving

TARGETS = {"sqlite": 10_000, "postgresql": 50_000}
"""Jobs a minute on two cores."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--sites", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="on PostgreSQL")
    parser.add_argument("--only", choices=TARGETS)
    wanted = parser.parse_args()
    for kind in [wanted.only] if wanted.only else TARGETS:
        processes = 1 if kind == "sqlite" else wanted.workers
        figures = run(kind, jobs=wanted.jobs, sites=wanted.sites, runs=wanted.runs, processes=processes)
        middle, target = statistics.median(figure for figure, _ in figures), TARGETS[kind]
        told = ", ".join(f"{figure:,.0f}" for figure, _ in figures)
        cost = 1000 * statistics.median(seconds for _, seconds in figures)
        print(  # noqa: T201
            f"{kind}: {middle:,.0f} jobs a minute (runs {told}); target {target:,}: {middle / target:.2f}; "
            f"{cost:.2f} ms of our processes' time a job, start included"
        )


def run(kind: str, *, jobs: int, sites: int, runs: int, processes: int) -> list[tuple[float, float]]:
    """For each run, jobs a minute and seconds of processor time that ours took for one."""
    figures = []
    for _ in range(runs):
        with _store(kind) as url, receiving() as receiver:
            asyncio.run(_fill(url, receiver, sites, jobs))
            figures.append(_measure(kind, url, receiver, jobs, processes))
    return figures


@contextmanager
def _store(kind: str) -> Iterator[str]:
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/tevreden.db"
    else:
        with running() as cluster:
            yield cluster.create_database("jobs")


async def _fill(url: str, receiver: Receiver, sites: int, jobs: int) -> None:
    """Put the jobs of as many answers, in turn for each site."""
    now = datetime.now(UTC)
    async with opened(Settings(database_url=url, secret=SECRET)) as database:
        targets = []
        async with database.write() as connection:
            for number in range(sites):
                site = await create_site(connection, f"Site {number}", by="bench", now=now)
                await create_webhook(
                    connection, site.id, receiver.url(), by="bench", now=now, networks=[ip_network(OWN_NETWORK)]
                )
                targets.append(site.id)
        rows = []
        for number in range(jobs):
            response = new_hex_id()
            rows.append(new_event(targets[number % sites], response, _body(response, now), now))

        def steps() -> Steps[None]:
            yield [Call(put_jobs, rows)]

        await database.batch(steps)


def _body(response: str, now: datetime) -> str:
    row = {
        "id": response,
        "revision": 1,
        "state": 1,
        "score": 4,
        "group": "positive",
        "comment": "It came a day late, but the plant is healthy and was packed well.",
        "email": None,
        "email_verified": False,
        "consent_text": None,
        "complete": True,
        "page": "https://shop.example/order/thanks",
        "language": "en",
        "device": "phone",
        "browser": "Mobile Safari",
        "system": "iOS",
        "visitor_id": new_hex_id(),
        "bot": False,
        "created_at": now,
        "updated_at": now,
    }
    survey = OpenSurvey(1, new_hex_id(), "abc234", "After the order", False, 1)
    return event_body("response.created", row, survey, now=now)


def _measure(kind: str, url: str, receiver: Receiver, jobs: int, processes: int) -> tuple[float, float]:
    """Jobs a minute, and seconds of processor time that ours took for one."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TEVREDEN_SECRET": SECRET,
        "TEVREDEN_DATABASE_URL": url,
        "TEVREDEN_ALLOWED_NETWORKS": OWN_NETWORK,
        "TEVREDEN_PORT": str(free_port()),
    }
    command = [sys.executable, "-m", "collector", "serve" if kind == "sqlite" else "worker"]
    before = _processor_seconds()
    with tempfile.TemporaryFile() as output:
        running = [Popen(command, env=environment, stdout=output, stderr=STDOUT) for _ in range(processes)]
        try:
            calls = receiver.wait_for(jobs, seconds=300)
        finally:
            for one in running:
                one.terminate()
            for one in running:
                one.wait(20)
    assert len({call.id for call in calls}) == jobs, "a job was done twice, or another in its place"
    return (jobs - 1) / (calls[-1].at - calls[0].at) * 60, (_processor_seconds() - before) / jobs


def _processor_seconds() -> float:
    """Of all processes that this one started and that have ended."""
    used = os.times()
    return used.children_user + used.children_system


if __name__ == "__main__":
    main()
