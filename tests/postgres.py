"""A real PostgreSQL for tests, of the machine's own packages: started, killed, copied and promoted at will.

    cluster = Cluster.create()
    try:
        cluster.start()
        url = cluster.create_database("answers")
        ...
    finally:
        cluster.close()

Nothing of it outlives the tests: `close` ends servers and removes their folders, and should the test process itself be
killed, then a watcher beside each server does. PostgreSQL refuses to run as root, so root's servers run as `postgres`.
"""

from __future__ import annotations

import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

PROGRAMS = ("initdb", "postgres", "pg_ctl", "pg_basebackup", "psql")
PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/local/pgsql/bin",
    "opt/homebrew/opt/postgresql*/bin",
    "usr/local/opt/postgresql*/bin",
    "Applications/Postgres.app/Contents/Versions/*/bin",
)
# An ordinary user's PATH leaves out where Debian puts PgBouncer.
BOUNCER_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"])

USER = "tevreden"
PATIENCE = 30.0  # seconds
STOPS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
FIELD, RECORD, NULL = "\x1f", "\x1e", "\x1d"  # what no test has in its data

# Waits until the pipe from the test process closes, however that came about. What `running` names is ended then: the
# signal and the process id. At most ten seconds, since where nothing reaps orphans, the dead still have a process id.
WATCHER = """
read -r _
if read -r how pid <"$1/running"; then
  kill -s "$how" "$pid"
  looks=0
  while [ "$looks" -lt 100 ] && kill -0 "$pid"; do looks=$((looks + 1)); sleep 0.1; done
fi
rm -rf -- "$1"
"""


def find_binaries() -> Path | None:
    """The folder with the programs of a PostgreSQL server: the one on the PATH, else the newest that is installed."""
    folders = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    if config := shutil.which("pg_config"):
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, timeout=10, check=False)
        folders.append(Path(told.stdout.strip() or "/nonexistent"))
    installed = [folder for place in PLACES for folder in Path("/").glob(place)]
    folders += sorted(
        installed, key=lambda folder: [int(part) for part in re.findall(r"\d+", str(folder))], reverse=True
    )
    return next((folder for folder in folders if all((folder / one).is_file() for one in PROGRAMS)), None)


def find_bouncer() -> Path | None:
    found = shutil.which("pgbouncer", path=BOUNCER_PATH)
    return Path(found) if found else None


def missing() -> list[str]:
    """What this machine lacks for the tests on PostgreSQL, as its packages are called on Debian."""
    found = {"postgresql": find_binaries(), "pgbouncer": find_bouncer(), "procps": shutil.which("ps")}
    return [package for package, program in found.items() if not program]


def quiet_port() -> int:
    """A free port below those that outgoing connections get.

    A client that tries a killed server again and again on one of *those* ports in the end connects to itself,
    and then the server cannot have its port back.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)  # the pause between two looks at a condition


def _psql(binaries: Path, url: str, sql: str, seconds: float) -> subprocess.CompletedProcess[str]:
    shape = ["-XAtq", "-F", FIELD, "-R", RECORD, "-P", f"null={NULL}", "-v", "ON_ERROR_STOP=1"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return subprocess.run(
        [binaries / "psql", *shape, "-d", url, "-c", sql],
        env={**kept, "PGCONNECT_TIMEOUT": "5", "PGCLIENTENCODING": "UTF8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=seconds,
        check=False,
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class _Server:
    """A server process in a folder of its own, which its watcher removes."""

    def __init__(self, kind: str) -> None:
        binaries = find_binaries()
        assert binaries, "no PostgreSQL on this machine"
        self.binaries = binaries
        self.port = quiet_port()
        # Not pytest's folders, which no other user may enter; and under /tmp, as a socket's path has to be short.
        self.folder = Path(tempfile.mkdtemp(prefix=f"tevreden-{kind}-", dir="/tmp"))
        self.output = self.folder / "output.txt"
        self._running = self.folder / "running"
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher = subprocess.Popen(
            ["sh", "-c", WATCHER, "watcher", self.folder],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._account: int | None = None
        self._group: int | None = None
        if os.geteuid() == 0:
            account = _account_of_servers()
            self._account, self._group = account.pw_uid, account.pw_gid
            os.chown(self.folder, self._account, self._group)

    def _launch(self, command: Iterable[str | Path], end: signal.Signals) -> subprocess.Popen[bytes]:
        """Start a command as the servers' account; `end` is the signal by which the watcher would end it."""
        with self.output.open("ab") as output:
            process = subprocess.Popen(
                [*command],
                cwd=self.folder,
                user=self._account,
                group=self._group,
                extra_groups=None if self._account is None else [],
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.write_text(f"{end.name.removeprefix('SIG')} {process.pid}\n")
        return process

    def _run(self, *command: str | Path) -> None:
        process = self._launch(command, signal.SIGTERM)
        try:
            assert process.wait(120) == 0, self.output.read_text()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            self._running.unlink()

    def _wait_for_answer(self, url: str) -> None:
        """Return when a query is answered; fail with the server's output when it ended, or is not ready in time."""

        def answers() -> bool:
            assert self._process, "not started"
            assert self._process.poll() is None, self.output.read_text()
            return _psql(self.binaries, url, "SELECT 1", PATIENCE).returncode == 0

        wait_until(answers, self.output.read_text)

    def _ended(self) -> None:
        assert self._process
        self._process.wait(60)
        self._process = None
        self._running.unlink()

    @property
    def _is_closed(self) -> bool:
        return self._watcher.stdin is None or self._watcher.stdin.closed

    def _remove(self) -> None:
        assert self._watcher.stdin
        self._watcher.stdin.close()
        self._watcher.wait(60)


def _account_of_servers() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


class Cluster(_Server):
    """A PostgreSQL server: a primary, or the standby of one."""

    def __init__(self, durable: bool, name: str) -> None:
        super().__init__("postgres")
        self.data = self.folder / "data"
        self.durable = durable
        self.name = name
        self._standbys: list[Cluster] = []
        self._synchronous: list[str] = []

    @classmethod
    def create(cls, durable: bool = True) -> Self:
        """Make a cluster, not started yet; one that is not `durable` is quicker, and no good if the machine stops."""
        cluster = cls(durable, "primary")
        try:
            how = ["--no-sync", "-A", "trust", "-E", "UTF8", "--locale=C", "-U", USER]
            cluster._run(cluster.binaries / "initdb", *how, "-D", cluster.data)
        except BaseException:
            cluster.close()
            raise
        return cluster

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and wait until it answers; what was committed before a `kill` is recovered first."""
        assert not self.is_running, "it runs already"
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "max_connections": "200",
            "cluster_name": self.name,
            # Files below the data folder, which go with it: a killed server leaves its POSIX memory behind.
            "dynamic_shared_memory_type": "mmap",
            **({} if self.durable else {"fsync": "off", "full_page_writes": "off"}),
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        self._process = self._launch([self.binaries / "postgres", "-D", self.data, *options], signal.SIGQUIT)
        self.wait_ready()

    def wait_ready(self) -> None:
        self._wait_for_answer(self.url())

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Shut down: when all clients have left, or at once with a checkpoint, or at once without."""
        assert self._process, "not started"
        self._process.send_signal(STOPS[mode])
        self._ended()

    def kill(self) -> None:
        """End the server and all its processes at one blow (SIGKILL): none of them can finish or write anything."""
        assert self._process, "not started"
        assert self.is_running, self.output.read_text()
        # Stopped first, so that it starts no further process, and then its processes by name: each is a session of
        # its own, and one that is busy would live on for a while without the server.
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)
        children = [pid for pid, (parent, _) in _processes().items() if parent == self._process.pid]
        for pid in (self._process.pid, *children):
            _kill(pid)
        self._ended()

        def are_gone() -> bool:
            alive = {pid for pid, (_, state) in _processes().items() if not state.startswith("Z")}
            return alive.isdisjoint(children)

        wait_until(are_gone, lambda: f"some of {children} live on")

    def execute(self, sql: str, database: str = "postgres", seconds: float = 60) -> list[tuple[str | None, ...]]:
        """Run one statement and return its rows, values as PostgreSQL writes them.

        AssertionError with PostgreSQL's own words if it is refused; subprocess.TimeoutExpired after `seconds`.
        """
        done = _psql(self.binaries, self.url(database), sql, seconds)
        assert done.returncode == 0, done.stderr
        if not done.stdout:
            return []
        rows = done.stdout.removesuffix("\n").split(RECORD)
        return [tuple(None if value == NULL else value for value in row.split(FIELD)) for row in rows]

    def create_database(self, name: str) -> str:
        self.execute(f"CREATE DATABASE {_identifier(name)} TEMPLATE template0")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop it if it is there, whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {_identifier(name)} WITH (FORCE)")

    def add_standby(self, synchronous: bool = True) -> Cluster:
        """Start a copy that follows this server; if `synchronous`, every commit here waits for it from now on.

        So it does when the standby is gone. It is closed together with this server, or before.
        """
        name = f"standby_{len(self._standbys) + 1}"
        standby = Cluster(self.durable, name)
        self._standbys.append(standby)
        source = f"host=127.0.0.1 port={self.port} user={USER} application_name={name}"
        how = ["-R", "-X", "stream", "-c", "fast", "--no-sync", "-C", "-S", name]
        standby._run(self.binaries / "pg_basebackup", *how, "-d", source, "-D", standby.data)
        standby.start()
        if synchronous:
            self._synchronous.append(name)
            self._set("synchronous_standby_names", f"FIRST {len(self._synchronous)} ({', '.join(self._synchronous)})")
        wanted = [("streaming", "sync" if synchronous else "async")]
        question = f"SELECT state, sync_state FROM pg_stat_replication WHERE application_name = {_literal(name)}"
        wait_until(lambda: self.execute(question) == wanted, standby.output.read_text)
        return standby

    def promote(self) -> None:
        """Make a standby a primary that accepts commits alone."""
        self._set("synchronous_standby_names", "")
        self.execute("SELECT pg_promote()")
        wait_until(lambda: self.execute("SELECT pg_is_in_recovery()") == [("f",)], self.output.read_text)

    def _set(self, setting: str, value: str) -> None:
        self.execute(f"ALTER SYSTEM SET {setting} = {_literal(value)}")
        self.execute("SELECT pg_reload_conf()")

    def close(self) -> None:
        """Whatever happened: nothing of it stays, nor of its standbys."""
        for standby in self._standbys:
            standby.close()
        if self._is_closed:
            return
        if self._process and not self.is_running:
            self._ended()
        if self._process:
            try:
                self.stop("immediate")
            except subprocess.TimeoutExpired:
                self.kill()
        self._free_memory()
        self._remove()

    def _free_memory(self) -> None:
        """Give back the few bytes of System V memory that a killed server leaves until the machine starts anew."""
        lock = self.data / "postmaster.pid"
        lines = lock.read_text().splitlines() if lock.exists() else []
        if len(lines) > 6 and shutil.which("ipcrm"):
            number = lines[6].split()[-1]
            subprocess.run(["ipcrm", "-m", number], capture_output=True, timeout=10, check=False)


@contextmanager
def running(*, durable: bool = True) -> Iterator[Cluster]:
    """A cluster for as long as the block lasts."""
    cluster = Cluster.create(durable=durable)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


class Bouncer(_Server):
    """A PgBouncer in front of one database of a cluster, which answers when it has been made."""

    def __init__(self, cluster: Cluster, database: str, pool_mode: Literal["session", "transaction"] = "transaction"):
        program = find_bouncer()
        assert program, "no PgBouncer on this machine"
        super().__init__("pgbouncer")
        self.url = f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"
        settings = self.folder / "pgbouncer.ini"
        lines = [
            "[databases]",
            f"{database} = host=127.0.0.1 port={cluster.port} dbname={database} user={USER}",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            f"listen_port = {self.port}",
            "unix_socket_dir =",
            "auth_type = any",
            f"pool_mode = {pool_mode}",
            "max_client_conn = 1000",
            "default_pool_size = 20",
        ]
        settings.write_text("\n".join(lines) + "\n")
        settings.chmod(0o644)
        try:
            self._process = self._launch([program, settings], signal.SIGKILL)
            self._wait_for_answer(self.url)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._is_closed:
            return
        if self._process:
            self._process.kill()
            self._ended()
        self._remove()


def _processes() -> dict[int, tuple[int, str]]:
    """Every process of the machine by its id: its parent, and its state as `ps` writes it."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, timeout=10, check=True
    )
    rows = (line.split() for line in listed.stdout.splitlines())
    return {int(pid): (int(parent), state) for pid, parent, state in rows}


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself meanwhile
