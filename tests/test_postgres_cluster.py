"""The PostgreSQL that tests start for themselves: what it keeps through a kill, and that nothing of it stays behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.postgres import Bouncer, Cluster, running, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("postgres_installed")]

ABANDONED = """
from tests.postgres import Cluster
cluster = Cluster.create(durable=False)
cluster.start()
print(cluster.folder, cluster._process.pid, flush=True)
input()
"""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running() as made:
        yield made
    assert not made.folder.exists()


def test_databases_are_made_asked_and_dropped(cluster: Cluster) -> None:
    assert cluster.create_database("a-b") == cluster.url("a-b")
    assert cluster.execute("CREATE TABLE t (a int, b text)", "a-b") == []
    cluster.execute("INSERT INTO t VALUES (1, 'é | ''x''\n'), (2, ''), (3, NULL)", "a-b")
    assert cluster.execute("SELECT * FROM t ORDER BY a", "a-b") == [("1", "é | 'x'\n"), ("2", ""), ("3", None)]
    assert cluster.execute("SELECT b FROM t WHERE a = 2", "a-b") == [("",)]
    assert cluster.execute("SHOW fsync") == [("on",)]
    with pytest.raises(AssertionError, match='relation "absent" does not exist'):
        cluster.execute("SELECT * FROM absent")
    cluster.drop_database("a-b")
    assert cluster.execute("SELECT 1 FROM pg_database WHERE datname = 'a-b'") == []


def test_a_kill_takes_no_committed_row_and_leaves_no_process(cluster: Cluster) -> None:
    cluster.execute("CREATE TABLE t (a int)")
    with subprocess.Popen(
        [cluster.binaries / "psql", "-Xq", cluster.url(), "-c", "SELECT sum(n) FROM generate_series(1, 1e12) n"],
        stderr=subprocess.PIPE,
    ) as busy:
        working = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT sum%' AND state = 'active'"
        wait_until(lambda: cluster.execute(working) == [("1",)], lambda: "the query did not begin")
        cluster.execute("INSERT INTO t VALUES (1)")
        cluster.kill()
        assert not cluster.is_running
        assert busy.wait(20) != 0
    cluster.start()
    assert cluster.execute("SELECT a FROM t") == [("1",)]
    assert "was not properly shut down" in cluster.output.read_text()


def test_a_synchronous_standby_has_every_row_when_the_primary_is_killed(cluster: Cluster) -> None:
    standby = cluster.add_standby()
    cluster.execute("CREATE TABLE t (a int)")
    cluster.execute("INSERT INTO t VALUES (1)")
    cluster.kill()
    standby.promote()
    assert standby.execute("SELECT a FROM t") == [("1",)]
    standby.execute("INSERT INTO t VALUES (2)", seconds=10)
    assert standby.execute("SELECT count(*) FROM t") == [("2",)]


def test_commits_wait_for_a_synchronous_standby_that_is_gone(cluster: Cluster) -> None:
    standby = cluster.add_standby()
    cluster.execute("CREATE TABLE t (a int)")
    standby.kill()
    with pytest.raises(subprocess.TimeoutExpired):
        cluster.execute("INSERT INTO t VALUES (1)", seconds=0.5)
    standby.start()
    cluster.execute("INSERT INTO t VALUES (2)", seconds=10)


def test_a_bouncer_answers_for_its_database(cluster: Cluster) -> None:
    cluster.create_database("answers")
    bouncer = Bouncer(cluster, "answers")
    try:
        done = subprocess.run(
            [cluster.binaries / "psql", "-XAtq", bouncer.url, "-c", "SELECT 1, current_database()"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        assert done.stdout == "1|answers\n"
    finally:
        bouncer.close()
    assert not bouncer.folder.exists()


def test_servers_end_with_a_test_process_that_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ABANDONED], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        folder, pid = process.stdout.readline().split()
        assert (Path(folder) / "data" / "postmaster.pid").read_text().startswith(pid)
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not Path(folder).exists(), lambda: f"{folder} is still there")
    alive = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False).stdout
    assert not alive.strip() or alive.startswith("Z")
