"""Running one test many times tells how often it failed, and leaves no process behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.stress import BURN, busy

pytestmark = pytest.mark.slow

UNSTEADY = """
from pathlib import Path

def test_second_run_fails():
    runs = Path(__file__).with_name("runs")
    with runs.open("a") as file:
        file.write("x")
    assert runs.read_text() != "xx"
"""


@pytest.mark.parametrize(("times", "failed"), [(1, 0), (3, 1)])
def test_runs_that_fail_are_counted(tmp_path: Path, times: int, failed: int) -> None:
    test = tmp_path / "test_unsteady.py"
    test.write_text(UNSTEADY)
    script = [sys.executable, "-m", "tests.stress", str(test), f"--times={times}", "--burners=1"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == f"{failed} of {times} runs failed, beside 1 busy processes"
    assert done.returncode == (1 if failed else 0)
    assert ("test_second_run_fails" in done.stdout) is bool(failed)


def test_machine_is_busy_until_the_block_ends() -> None:
    def children() -> int:
        return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())

    before = children()
    with busy(2):
        assert children() == before + 2
    assert children() == before


def test_burner_ends_with_whoever_started_it() -> None:
    nobody = "1" if os.getpid() != 1 else "2"
    subprocess.run([sys.executable, "-c", BURN, nobody], timeout=30, check=True)
