"""A disk without room: nothing is acknowledged that is not kept, and room is all that it takes to go on."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.faults.conftest import Place
from tests.faults.load import Answer, Load
from tests.faults.times import times
from tests.needs import do_without
from tests.postgres import wait_until

FULL = times(3, 50)
FILLED = times(1, 25)
SMALLEST = 50_000
"""Bytes, which every store has in less than no time."""


def limit_files(place: Place, most: int) -> None:
    """No file grows beyond so many bytes: of a write across that, what fits is written, and the rest fails.

    The log of the collector is a file as well, which is begun anew so that it stays below `SMALLEST`.
    """
    if most:
        place.collector.begin_new_output()
    _, hard = resource.prlimit(place.collector.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(place.collector.pid, resource.RLIMIT_FSIZE, (most, hard))


def limit_files_until_refused(place: Place, load: Load, most: int) -> None:
    """The limit is lowered if what is written lies below it."""
    refused = load.refusals
    while load.refusals == refused:
        limit_files(place, most)
        taken = load.acknowledged
        load.wait_until(lambda taken=taken: load.refusals > refused or load.acknowledged > taken + 50, "neither")  # type: ignore[misc]
        most = max(SMALLEST, most // 2)


def readiness(place: Place) -> int:
    return place.collector.http.get(place.collector.url + "/readyz").status_code


def test_full_disk_refuses_answers_and_keeps_those_it_has(
    begin: Callable[..., Place], sqlite_store: tuple[str, str]
) -> None:
    place, chance = begin(sqlite_store), random.Random(4)
    wal = Path(sqlite_store[0].removeprefix("sqlite:///") + "-wal")
    with place.load() as load:
        for _ in range(FULL):
            load.wait_for(chance.randrange(1, 100))
            # Anywhere in what the next transactions write; this log begins anew, from its start, once it has 4 MB.
            limit_files_until_refused(place, load, chance.randrange(SMALLEST, wal.stat().st_size + SMALLEST))
            limit_files(place, SMALLEST)
            wait_until(lambda: readiness(place) == 503, lambda: f"ready: {load}")
            limit_files(place, resource.RLIM_INFINITY)
            wait_until(lambda: readiness(place) == 200, lambda: f"not ready: {load}")
        load.wait_for(1)
        place.end(load)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of eight megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    how = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)]
    if os.geteuid() or subprocess.run(how, capture_output=True, timeout=10, check=False).returncode:
        do_without("only root can make a small disk, and not everywhere")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True, timeout=10)


def test_disk_that_something_else_fills_refuses_answers_and_keeps_those_it_has(
    begin: Callable[..., Place], furnished: tuple[Path, str], small_disk: Path
) -> None:
    file, token = furnished
    shutil.copy(file, small_disk)
    place, chance = begin((f"sqlite:///{small_disk / file.name}", token)), random.Random(5)
    filler = small_disk / "something else"
    with place.load() as load:
        for _ in range(FILLED):
            load.wait_for(chance.randrange(1, 100))
            refused = load.refusals
            fill(filler, keep=chance.randrange(0, 64 * 1024, 4096))
            load.wait_until(lambda refused=refused: load.refusals > refused, "nobody was refused")  # type: ignore[misc]
            filler.unlink()
            wait_until(lambda: readiness(place) == 200, lambda: f"not ready: {load}")
        load.wait_for(1)
        place.end(load)


def fill(filler: Path, *, keep: int) -> None:
    """Take all the room that there is but for so many bytes, however much of it is taken meanwhile."""
    with filler.open("wb", buffering=0) as file:
        while (free := shutil.disk_usage(filler.parent).free - keep) > 0:
            with suppress(OSError):  # less was left by then: what is left now is looked at again
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size + free)


def test_log_on_the_same_full_disk_costs_no_reply(begin: Callable[..., Place], sqlite_store: tuple[str, str]) -> None:
    place = begin(sqlite_store)
    answer = Answer(0)
    body = json.dumps({"events": [answer.event(place.survey, 0)]})
    url = f"{place.collector.url}/w/{place.site.key}/events"
    limit_files(place, 0)  # neither the store nor the log can be written
    try:
        assert httpx.post(url, content=body, timeout=3).status_code == 503
    finally:
        limit_files(place, resource.RLIM_INFINITY)
    assert httpx.post(url, content=body, timeout=3).status_code == 200
