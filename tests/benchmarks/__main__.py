"""``make bench``: what Tevreden costs, as ratios to floors that run beside it, and the table in docs/operator.md.

Everything that is compared runs in one go, interleaved, `ROUNDS` times, each round between two of its floor, since a
machine's speed wanders. Figures are medians, of ratios as well. Servers have one core, the load the other.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks import document, fill, jobs, many
from tests.benchmarks.load import Plan, Seen
from tests.conftest import PASSWORD, PERSON, ROOT, USER, Process, add_site
from tests.postgres import missing, quiet_port, running

ROUNDS, STARTS = 15, 7
SECONDS = 1.0
CONNECTIONS = 64
SERVER_CORE, LOAD_CORE = 0, 1
MANY, FEW = 10_000_000, 10_000
LISTED = 100
READY = 0.05
"""Seconds in which a page of the admin should be ready."""
ACTIVE_SITES, IDLE_SHARE = 1_000, 0.02
LISTED_SITES = 200
COLLECTORS, PUBLISHED = 10, 5
LIVE = 2.0
"""Seconds after which a publish should be live everywhere."""
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
            _await_answer(port, "/w/x.js")
            yield port
        finally:
            process.terminate()


@contextmanager
def collector(database: str | None = None, token: str = "bench") -> Iterator[Process]:
    """A collector on the servers' core, with a token and no limits on rates."""
    with tempfile.TemporaryDirectory(prefix="tevreden-bench-") as folder:
        process = Process(Path(folder))
        process.environment |= UNLIMITED
        if database:
            process.environment["TEVREDEN_DATABASE_URL"] = database
        process.environment["BENCH_TOKEN"] = process.command("token", "add", token)
        process.start()
        process.stay_on(SERVER_CORE)
        try:
            yield process
        finally:
            process.stop()
            process.close()


def sign_in(process: Process) -> None:
    process.command("user", "add", USER, "--password", PASSWORD)
    form, headers = {"email": USER, "password": PASSWORD}, {"Origin": process.url}
    assert process.http.post(f"{process.url}/admin/sign-in", data=form, headers=headers).status_code == 303


def load(port: int, template: str, status: int) -> Seen:
    """Load from the other core; every answer has to have this status."""
    plan = Plan(port, template, SECONDS, CONNECTIONS, LOAD_CORE)
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load"],
        input=json.dumps(vars(plan)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=True,
    )
    seen = Seen(**json.loads(done.stdout))
    assert set(seen.statuses) == {str(status)}, seen.statuses
    return seen


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
    event |= {"secret": "dGhlIHNlY3JldCBvZiBvbm"}
    event |= {"impression": "@ID@", "state": 1, "score": 4, "comment": COMMENT, "complete": True}
    return json.dumps({"events": [event]}, separators=(",", ":"))


@dataclass
class Beside:
    """What was seen of ours in each round, and of its floor just before and just after."""

    ours: list[Seen]
    floor: list[tuple[Seen, Seen]]

    def figures(self, figure: Callable[[Seen], float]) -> tuple[float, float, float]:
        """Medians of ours, of the floor, and of the ratio of the two."""
        ours = [figure(one) for one in self.ours]
        floors = [statistics.mean(map(figure, pair)) for pair in self.floor]
        ratios = [one / floor for one, floor in zip(ours, floors, strict=True)]
        return statistics.median(ours), statistics.median(floors), statistics.median(ratios)


def beside(floor: Callable[[], Seen], ours: Mapping[str, Callable[[], Seen]]) -> dict[str, Beside]:
    """Each of ours between two of the floor, `ROUNDS` times; a first round warms up and is left out."""
    for run in (floor, *ours.values()):
        run()
    seen = {name: Beside([], []) for name in ours}
    before = floor()
    for _ in range(ROUNDS):
        for name, run in ours.items():
            seen[name].ours.append(run())
            after = floor()
            seen[name].floor.append((before, after))
            before = after
    return seen


UNSEEN = "a user agent not seen before"


def intake(rows: list[Row]) -> None:
    """Durable answers a second, by one user agent and by another each time, and the 99th percentile under that load."""
    with ExitStack() as stack:
        collectors = {"SQLite": stack.enter_context(collector())}
        if not missing():
            cluster = stack.enter_context(running())
            collectors["PostgreSQL"] = stack.enter_context(collector(cluster.create_database("bench")))
        ours = {}
        for name, process in collectors.items():
            site = add_site(process.http, process.url, process.environment["BENCH_TOKEN"])
            template = request("POST", f"/w/{site.key}/events", answer_of(site.publish()["key"]))
            ours[name] = partial(load, process.port, template, 200)
            fresh = template.replace(PERSON, f"{PERSON} Build/@ID@", 1)
            ours[f"{name}, each by {UNSEEN}"] = partial(load, process.port, fresh, 200)
        floor_port = stack.enter_context(floor("tests.benchmarks.floors:app"))
        body = answer_of("abcdef")
        seen = beside(partial(load, floor_port, request("POST", "/w/x/events", body), 204), ours)
    for name, one in seen.items():
        speed, base, ratio = one.figures(lambda seen: seen.per_second)
        against = f"{base:,.0f}/s: Starlette parses the same JSON and answers 204"
        wanted = ("≥ 0.25", "0.5") if UNSEEN in name else ("≥ 0.5", "1.0")
        rows.append(Row(f"durable answers on {name}", f"{speed:,.0f}/s", against, ratio, *wanted))
        p99, slow, ratio = one.figures(lambda seen: seen.p99)
        rows.append(Row(f"99th percentile under it, {name}", _ms(p99), f"{_ms(slow)}: the same", ratio, "≤ 8", "≤ 4"))


def scripts(rows: list[Row]) -> None:
    """The tag's script, whole and unchanged."""
    with collector() as ours, floor("tests.benchmarks.floors:app") as floor_port:
        site = add_site(ours.http, ours.url, ours.environment["BENCH_TOKEN"])
        site.publish()
        tag = ours.http.get(f"{ours.url}/w/{site.key}.js").headers["etag"]
        for status, etags in ((200, ("", "")), (304, (tag, 'W/"0123456789abcdef"'))):
            runs = []
            for (port, key), etag in zip(((ours.port, site.key), (floor_port, "x")), etags, strict=True):
                headers = {"Accept_Encoding": "gzip, br"} | ({"If_None_Match": etag} if etag else {})
                runs.append(partial(load, port, request("GET", f"/w/{key}.js", **headers), status))
            seen = beside(runs[1], {"script": runs[0]})["script"]
            speed, base, ratio = seen.figures(lambda seen: seen.per_second)
            against = f"{base:,.0f}/s: Starlette answers the same constant"
            rows.append(Row(f"the script, {status}", f"{speed:,.0f}/s", against, ratio, "≥ 0.9", "1.3"))


def results(rows: list[Row]) -> None:
    """The results of a survey with ten million responses, and with ten thousand; and the admin's pages of them."""
    with collector() as ours:
        token = ours.environment["BENCH_TOKEN"]
        sites = {number: add_site(ours.http, ours.url, token) for number in (FEW, MANY)}
        surveys = {number: site.publish() for number, site in sites.items()}
        others = [sites[MANY].publish() for _ in range(LISTED - 1)]
        ours.stop()
        file = ours.folder / "tevreden.db"
        for number, site in sites.items():
            fill.with_responses(file, site.key, surveys[number]["id"], number)
        for other in others:
            fill.with_responses(file, sites[MANY].key, other["id"], 1000)
        ours.start()
        sign_in(ours)
        pages = {
            number: f"{ours.url}/admin/{site.key}/{surveys[number]['id']}?period=all" for number, site in sites.items()
        }
        took: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for number, site in sites.items():
                with timed(took, f"results {number}"):
                    assert site.results(surveys[number])["counts"]["scores"] == number
                with timed(took, f"page {number}"):
                    assert f"{number:,} answers" in ours.http.get(pages[number]).text
            with timed(took, "list"):
                assert ours.http.get(f"{ours.url}/admin").text.count("<tr>") > LISTED
    medians = {name: statistics.median(seconds) for name, seconds in took.items()}
    for name, words in (("results", "results of"), ("page", "the admin's page of")):
        many, few = medians[f"{name} {MANY}"], medians[f"{name} {FEW}"]
        against = f"{_ms(few)}: of {FEW:,}"
        rows.append(Row(f"{words} {MANY:,} responses", _ms(many), against, many / few, "≤ 1.2", "1.0"))
    for name, words in (
        (f"page {MANY}", "the admin's page of them"),
        ("list", f"the admin's list of {LISTED} surveys"),
    ):
        rows.append(Row(words, _ms(medians[name]), f"{_ms(READY)}: what is wanted", medians[name] / READY, "≤ 1", "–"))


@contextmanager
def timed(took: dict[str, list[float]], name: str) -> Iterator[None]:
    """Note how long something takes."""
    began = time.perf_counter()
    yield
    took.setdefault(name, []).append(time.perf_counter() - began)


def start_and_memory(rows: list[Row]) -> None:
    """From starting the process to its first answer, and its memory then and after load."""
    compileall.compile_dir(ROOT / "collector", quiet=1)  # as installing it does
    ours_took, floor_took, idle, loaded, bare = [], [], [], [], []
    with tempfile.TemporaryDirectory(prefix="tevreden-bench-") as folder:
        process = Process(Path(folder))
        process.environment |= UNLIMITED
        token = process.command("token", "add", "bench")
        template = ""
        for _ in range(STARTS):
            began = time.perf_counter()
            process.launch()
            _await_answer(process.port, "/readyz")
            ours_took.append(time.perf_counter() - began)
            idle.append(process.memory())
            process.stay_on(SERVER_CORE)
            if not template:
                site = add_site(process.http, process.url, token)
                template = request("POST", f"/w/{site.key}/events", answer_of(site.publish()["key"]))
            load(process.port, template, 200)
            loaded.append(process.memory())
            process.stop()
            began = time.perf_counter()
            with floor("tests.benchmarks.floors:app") as port:
                floor_took.append(time.perf_counter() - began)
                load(port, request("POST", "/w/x/events", answer_of("abcdef")), 204)
                bare.append(_memory_on(port))
        process.close()
    ours, base = statistics.median(ours_took), statistics.median(floor_took)
    ratio = statistics.median(one / other for one, other in zip(ours_took, floor_took, strict=True))
    rows.append(Row("start to ready", _ms(ours), f"{_ms(base)}: uvicorn and Starlette alone", ratio, "≤ 3", "≤ 2"))
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


def many_sites(rows: list[Row]) -> None:
    """A collector that has many active sites at hand; the admin's list of many; and a publish with many collectors."""
    with collector() as ours:
        filled = many.fill(f"sqlite:///{ours.folder / 'tevreden.db'}", sites=ACTIVE_SITES, surveys=10)
        share = many.share_of_a_core(ours, filled, ours.environment["BENCH_TOKEN"])
        against = f"{IDLE_SHARE:.0%} of a core: what is wanted"
        name = f"{ACTIVE_SITES:,} active sites with ten surveys each, no answers"
        rows.append(Row(name, f"{share:.1%} of a core", against, share / IDLE_SHARE, "≤ 1", "–"))
    with collector() as ours:
        filled = many.fill(f"sqlite:///{ours.folder / 'tevreden.db'}", sites=LISTED_SITES, surveys=2)
        many.answer_each(ours, filled, 5)
        sign_in(ours)
        took: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            with timed(took, "list"):
                assert ours.http.get(f"{ours.url}/admin").text.count("<tr>") > LISTED_SITES
        seconds = statistics.median(took["list"])
        against = f"{_ms(READY)}: what is wanted"
        rows.append(
            Row(f"the admin's list of {LISTED_SITES} sites", _ms(seconds), against, seconds / READY, "≤ 1", "–")
        )
    if not missing():
        publish_with_many(rows)


def publish_with_many(rows: list[Row]) -> None:
    """From a publish at one collector until all of them serve it."""
    with running() as cluster, ExitStack() as stack:
        url = cluster.create_database("bench")
        processes = [stack.enter_context(collector(url, f"bench {number}")) for number in range(COLLECTORS)]
        first = processes[0]
        site = add_site(first.http, first.url, first.environment["BENCH_TOKEN"])
        seconds = statistics.median(many.seconds_until_live(site, processes) for _ in range(PUBLISHED))
    against = f"{_ms(LIVE)}: what is wanted"
    name = f"published at one of {COLLECTORS} collectors, live at all"
    rows.append(Row(name, _ms(seconds), against, seconds / LIVE, "≤ 1", "–"))


PARTS = {
    "intake": intake,
    "scripts": scripts,
    "start": start_and_memory,
    "jobs": outbox,
    "results": results,
    "sites": many_sites,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; all of them if left out")
    parser.add_argument("--write", action="store_true", help="write what was measured into docs/operator.md")
    chosen = parser.parse_args()
    rows: list[Row] = []
    for name in chosen.parts or PARTS:
        PARTS[name](rows)
        sys.stderr.write("\n".join(map(str, rows)) + "\n\n")
    table = "\n".join(
        [
            f"{document.measured()}, the collector on one core, the load on the other: {CONNECTIONS} connections, "
            f"medians of {ROUNDS} interleaved rounds.",
            "",
            "| | Tevreden | against | ratio | wanted | aim |",
            "|---|---|---|---|---|---|",
            *map(str, rows),
        ]
    )
    sys.stdout.write(table + "\n")
    if chosen.write:
        document.write("bench", table)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _on_server_core() -> None:
    os.sched_setaffinity(0, {SERVER_CORE})


def _await_answer(port: int, path: str) -> None:
    """Look again and again, in the same way whatever it is that starts."""
    deadline = time.monotonic() + 30
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as one:
                one.sendall(request)
                if one.recv(12)[9:] in (b"200", b"204"):
                    return
        except OSError:
            pass
        assert time.monotonic() < deadline, f"no answer on {port}"
        time.sleep(0.005)  # the pause between two looks at a condition


def _memory_on(port: int) -> int:
    """Of the process that listens there."""
    listening = subprocess.run(["ss", "-tlnpH", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    return _memory(int(re.findall(r"pid=(\d+)", listening)[0]))


def _memory(pid: int) -> int:
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) * 1024


if __name__ == "__main__":
    main()
