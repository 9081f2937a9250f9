"""``make bench``: what Tevreden costs, as ratios to floors that run beside it, and the table in the README.

Everything that is compared runs in one go, interleaved, `ROUNDS` times; figures are medians. Servers have one core, the
load the other.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.benchmarks import fill, jobs
from tests.benchmarks.load import Plan, Seen
from tests.conftest import PERSON, ROOT, Process, add_site
from tests.postgres import missing, quiet_port, running

ROUNDS = 5
SECONDS = 3.0
SERVER_CORE, LOAD_CORE = 0, 1
MANY, FEW = 10_000_000, 10_000
UNLIMITED = {"TEVREDEN_RATE_PER_ADDRESS": "0", "TEVREDEN_RATE_PER_SITE": "0"}
COMMENT = "The delivery came a day late, but the people on the phone were friendly and quick to help"


@dataclass
class Row:
    """One line of the table: what was measured, against what, and what is wanted."""

    name: str
    ours: str
    against: str
    ratio: float
    first: str
    aim: str

    def __str__(self) -> str:
        return f"| {self.name} | {self.ours} | {self.against} | **{self.ratio:.2f}** | {self.first} | {self.aim} |"


@contextmanager
def floor(app: str) -> Iterator[int]:
    """A bare uvicorn on the servers' core; gives its port."""
    port = quiet_port()
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "error", "--no-access-log"]
    with subprocess.Popen(command, cwd=ROOT, preexec_fn=_on_server_core) as process:  # noqa: PLW1509  no threads here
        try:
            _await_answer(f"http://127.0.0.1:{port}/w/x.js")
            yield port
        finally:
            process.terminate()


@contextmanager
def collector(database: str | None = None) -> Iterator[Process]:
    """A collector on the servers' core, with a token and no limits on rates."""
    with tempfile.TemporaryDirectory(prefix="tevreden-bench-") as folder:
        process = Process(Path(folder))
        process.environment |= UNLIMITED
        if database:
            process.environment["TEVREDEN_DATABASE_URL"] = database
        process.environment["BENCH_TOKEN"] = process.command("token", "add", "bench")
        process.start()
        process.stay_on(SERVER_CORE)
        try:
            yield process
        finally:
            process.stop()
            process.close()


def load(port: int, template: str, *, connections: int = 64) -> Seen:
    """Load from the other core."""
    plan = Plan(port, template, SECONDS, connections, LOAD_CORE)
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load"],
        input=json.dumps(vars(plan)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=True,
    )
    return Seen(**json.loads(done.stdout))


def request(method: str, path: str, body: str = "", **headers: str) -> str:
    """A whole HTTP request, for `Plan.template`."""
    length = len(body.replace("@ID@", "0" * 36).encode())
    lines = [f"{method} {path} HTTP/1.1", "Host: surveys.example", f"User-Agent: {PERSON}", "Accept: */*"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: text/plain;charset=UTF-8", "Origin: https://shop.example", f"Content-Length: {length}"]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def answer_of(survey_key: str) -> str:
    """What the widget sends when a visitor has chosen a score and written a comment."""
    event: dict[str, Any] = {"type": "response", "id": "@ID@", "survey": survey_key, "revision": 1}
    event |= {"page": "https://shop.example/order/7", "language": "en", "automated": False, "touch": False}
    event |= {"impression": "@ID@", "state": 1, "score": 4, "comment": COMMENT, "complete": True}
    return json.dumps({"events": [event]}, separators=(",", ":"))


def intake(rows: list[Row]) -> None:
    """Durable answers a second, and the 99th percentile under that load."""
    with ExitStack() as stack:
        ours = {"SQLite": stack.enter_context(collector())}
        if not missing():
            cluster = stack.enter_context(running())
            ours["PostgreSQL"] = stack.enter_context(collector(cluster.create_database("bench")))
        floor_port = stack.enter_context(floor("tests.benchmarks.floors:app"))
        templates = {}
        for name, process in ours.items():
            site = add_site(process.http, process.url, process.environment["BENCH_TOKEN"])
            templates[name] = request("POST", f"/w/{site.key}/events", answer_of(site.publish()["key"]))
        body = answer_of("abcdef")
        seen: dict[str, list[Seen]] = {name: [] for name in ("floor", *ours)}
        for _ in range(ROUNDS):
            seen["floor"].append(load(floor_port, request("POST", "/w/x/events", body)))
            for name, process in ours.items():
                seen[name].append(load(process.port, templates[name]))
                assert set(seen[name][-1].statuses) == {"200"}, seen[name][-1].statuses
    base, slow = _middle(seen["floor"])
    for name in ours:
        speed, p99 = _middle(seen[name])
        against = f"{base:,.0f}/s: Starlette parses the same JSON and answers 204"
        rows.append(Row(f"durable answers on {name}", f"{speed:,.0f}/s", against, speed / base, "≥ 0.5", "1.0"))
        rows.append(
            Row(f"99th percentile under it, {name}", _ms(p99), f"{_ms(slow)}: the same", p99 / slow, "≤ 8", "≤ 4")
        )


def scripts(rows: list[Row]) -> None:
    """The tag's script, whole and unchanged."""
    with collector() as ours, floor("tests.benchmarks.floors:app") as floor_port:
        site = add_site(ours.http, ours.url, ours.environment["BENCH_TOKEN"])
        site.publish()
        tag = ours.http.get(f"{ours.url}/w/{site.key}.js").headers["etag"]
        for status, etags in ((200, ("", "")), (304, (tag, 'W/"0123456789abcdef"'))):
            seen: tuple[list[Seen], list[Seen]] = ([], [])
            for _ in range(ROUNDS):
                for place, (port, key) in enumerate(((ours.port, site.key), (floor_port, "x"))):
                    headers = {"Accept_Encoding": "gzip, br"}
                    if etags[place]:
                        headers["If_None_Match"] = etags[place]
                    one = load(port, request("GET", f"/w/{key}.js", **headers))
                    assert set(one.statuses) == {str(status)}, one.statuses
                    seen[place].append(one)
            speed, base = _middle(seen[0])[0], _middle(seen[1])[0]
            against = f"{base:,.0f}/s: Starlette answers the same constant"
            rows.append(Row(f"the script, {status}", f"{speed:,.0f}/s", against, speed / base, "≥ 0.9", "1.3"))


def results(rows: list[Row]) -> None:
    """The results of a survey with ten million responses, and with ten thousand."""
    with collector() as ours:
        token = ours.environment["BENCH_TOKEN"]
        sites = {number: add_site(ours.http, ours.url, token) for number in (FEW, MANY)}
        surveys = {number: site.publish() for number, site in sites.items()}
        ours.stop()
        for number, site in sites.items():
            fill.with_responses(ours.folder / "tevreden.db", site.key, surveys[number]["id"], number)
        ours.start()
        took: dict[int, list[float]] = {FEW: [], MANY: []}
        for _ in range(ROUNDS * 4):
            for number, site in sites.items():
                began = time.perf_counter()
                assert site.results(surveys[number])["counts"]["scores"] == number
                took[number].append(time.perf_counter() - began)
    many, few = statistics.median(took[MANY]), statistics.median(took[FEW])
    rows.append(Row(f"results of {MANY:,} responses", _ms(many), f"{_ms(few)}: of {FEW:,}", many / few, "≤ 1.2", "1.0"))


def start_and_memory(rows: list[Row]) -> None:
    """From starting the process to its first answer, and its memory then and after load."""
    ours_took, floor_took, idle, loaded, bare = [], [], [], [], []
    with tempfile.TemporaryDirectory(prefix="tevreden-bench-") as folder:
        process = Process(Path(folder))
        process.environment |= UNLIMITED
        token = process.command("token", "add", "bench")
        template = ""
        for _ in range(ROUNDS):
            began = time.perf_counter()
            process.start()
            ours_took.append(time.perf_counter() - began)
            idle.append(process.memory())
            process.stay_on(SERVER_CORE)
            if not template:
                site = add_site(process.http, process.url, token)
                template = request("POST", f"/w/{site.key}/events", answer_of(site.publish()["key"]))
            load(process.port, template)
            loaded.append(process.memory())
            process.stop()
            began = time.perf_counter()
            with floor("tests.benchmarks.floors:app") as port:
                floor_took.append(time.perf_counter() - began)
                load(port, request("POST", "/w/x/events", answer_of("abcdef")))
                bare.append(_memory_on(port))
        process.close()
    ours, base = statistics.median(ours_took), statistics.median(floor_took)
    rows.append(
        Row("start to ready", _ms(ours), f"{_ms(base)}: uvicorn and Starlette alone", ours / base, "≤ 3", "≤ 2")
    )
    memory = statistics.median(bare)
    under_load = f"≤ {2.5 + 20e6 / memory:.2f} (20 MB more)"
    for name, figures, wanted in (("idle", idle, "≤ 2.5"), ("under load", loaded, under_load)):
        mine = statistics.median(figures)
        against = f"{memory / 1e6:.0f} MB: uvicorn and Starlette alone"
        rows.append(Row(f"memory, {name}", f"{mine / 1e6:.0f} MB", against, mine / memory, wanted, "≤ 2"))


def outbox(rows: list[Row]) -> None:
    """Signed webhooks a minute, to a receiver on this machine that answers at once."""
    for kind, processes in (("sqlite", 1), ("postgresql", 2)):
        if kind == "postgresql" and missing():
            continue
        figures = jobs.run(kind, jobs=5000, sites=5, runs=3, processes=processes)
        speed, target = statistics.median(figure for figure, _ in figures), jobs.TARGETS[kind]
        name = {"sqlite": "jobs on SQLite", "postgresql": "jobs on PostgreSQL, two workers"}[kind]
        rows.append(Row(name, f"{speed:,.0f}/min", f"{target:,}/min: what is wanted", speed / target, "≥ 1", "–"))


PARTS = {"intake": intake, "scripts": scripts, "start": start_and_memory, "jobs": outbox, "results": results}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; all of them if left out")
    parser.add_argument("--readme", action="store_true", help="write the table into the README")
    chosen = parser.parse_args()
    rows: list[Row] = []
    for name in chosen.parts or PARTS:
        PARTS[name](rows)
        sys.stderr.write("\n".join(map(str, rows)) + "\n\n")
    table = "\n".join(
        [
            f"Measured on {datetime.now(UTC):%d %B %Y}, {os.cpu_count()} cores and {_gigabytes()} GB, the collector "
            f"on one core, the load on the other: 64 connections, medians of {ROUNDS} interleaved rounds.",
            "",
            "| | Tevreden | against | ratio | wanted | aim |",
            "|---|---|---|---|---|---|",
            *map(str, rows),
        ]
    )
    sys.stdout.write(table + "\n")
    if chosen.readme:
        readme = ROOT / "README.md"
        text = re.sub(r"(?s)(<!-- bench -->\n).*?(<!-- /bench -->)", rf"\1\n{table}\n\n\2", readme.read_text("utf-8"))
        readme.write_text(text, "utf-8")


def _middle(seen: list[Seen]) -> tuple[float, float]:
    return statistics.median(one.per_second for one in seen), statistics.median(one.p99 for one in seen)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _gigabytes() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _on_server_core() -> None:
    os.sched_setaffinity(0, {SERVER_CORE})


def _await_answer(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            httpx.get(url)
        except httpx.TransportError:
            assert time.monotonic() < deadline, f"no answer from {url}"
            time.sleep(0.005)  # the pause between two looks at a condition
        else:
            return


def _memory_on(port: int) -> int:
    """Of the process that listens there."""
    listening = subprocess.run(["ss", "-tlnpH", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    return _memory(int(re.findall(r"pid=(\d+)", listening)[0]))


def _memory(pid: int) -> int:
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) * 1024


if __name__ == "__main__":
    main()
