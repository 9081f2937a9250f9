"""The simulated loss of power: what was synced survives it, the rest may be gone, and a careless store is caught."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import power
from tests.needs import do_without

CUTS = 60

COMMITTING = """
import os, sqlite3, sys

folder, synchronous = sys.argv[1:]
acknowledged = os.open(folder + "/acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
store = sqlite3.connect(folder + "/store.sqlite", isolation_level=None)
store.execute("PRAGMA journal_mode=WAL")
store.execute(f"PRAGMA synchronous={synchronous}")
store.execute("PRAGMA wal_autocheckpoint=20")
store.execute("CREATE TABLE answer (id INTEGER PRIMARY KEY, words TEXT NOT NULL)")
store.execute("CREATE INDEX by_words ON answer (words)")
for number in range(150):
    store.execute("INSERT INTO answer VALUES (?, ?)", (number, f"{number * 7919 % 1000} " + "word " * (number % 60)))
    os.write(acknowledged, b"%d\\n" % number)
    print(number, flush=True)
os._exit(0)  # nothing is tidied up
"""

EVERY_CALL = """
import os, sys

folder = sys.argv[1]
os.chdir(folder)
file = os.open("first", os.O_RDWR | os.O_CREAT)
os.write(file, b"a" * 5000)
os.pwrite(file, b"b" * 700, 300)
os.writev(file, [b"c" * 10, b"d" * 20])
os.pwritev(file, [b"e" * 10, b"f" * 4100], 9000)
twin = os.dup(file)
os.close(file)
os.write(twin, b"g" * 100)
os.ftruncate(twin, 12000)
os.fsync(twin)
os.fdatasync(twin)
os.posix_fallocate(twin, 0, 20000)
os.ftruncate(twin, 16000)
os.rename("first", "second")
os.write(twin, b"under its new name")
os.mkdir("below")
os.replace("second", "below/third")
here = os.open("below", os.O_RDONLY)
fourth = os.open("fourth", os.O_WRONLY | os.O_CREAT | os.O_APPEND, dir_fd=here)
os.write(fourth, b"h" * 10)
if not os.fork():
    os.write(fourth, b"i" * 10)
    os._exit(0)
os.wait()
inherited = os.open("handed on", os.O_WRONLY | os.O_CREAT)
os.set_inheritable(inherited, True)
os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", f"import os; os.write({inherited}, b'j' * 10)"])
os.pwrite(fourth, b"appended wherever it was asked to go", 0)
os.truncate("below/fourth", 30)
open("emptied", "w").write("long")
open("emptied", "w").write("no")
for how in (os.unlink, lambda name: os.unlink(name, dir_fd=here)):
    gone = os.open("below/gone", os.O_RDWR | os.O_CREAT)
    how("below/gone" if how is os.unlink else "gone")
    os.write(gone, b"nobody will read this")
with open("older", "r+b", buffering=0) as older:
    older.seek(3)
    older.write(b"changed")
os.replace("leaves", "../left")
os.write(os.open("../outside", os.O_WRONLY | os.O_CREAT), b"none of our business")
"""


@dataclass
class Machine:
    """A folder whose changes are logged, and what to run on it."""

    library: Path
    folder: Path
    log: Path

    def run(self, script: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", script, str(self.folder), *arguments],
            env={**os.environ, **power.environment(self.library, self.folder, self.log)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.folder.rglob("*") if path.is_file() and not path.name.endswith("-shm"))
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = power.build(tmp_path_factory.mktemp("power"))
    if not built:
        do_without("a loss of power is simulated on Linux only, with a C compiler")
    return built


@pytest.fixture
def machine(library: Path, tmp_path: Path) -> Machine:
    folder = tmp_path / "disk"
    folder.mkdir()
    return Machine(library, folder, tmp_path / "power.log")


@dataclass
class Losses:
    """How many of the cuts ended how."""

    fine: int = 0
    rows_lost: int = 0
    corrupt: int = 0


def cut_power(machine: Machine, synchronous: str, tmp_path: Path) -> Losses:
    """Commit rows, then lose power at random moments; what became of the rows acknowledged before each?"""
    printed = machine.run(COMMITTING, synchronous).split()
    assert power.as_written(machine.log) == machine.files()
    records = power.read(machine.log)
    assert [int(line) for line in printed] == list(range(150)) == acknowledged(records)

    losses, chance = Losses(), random.Random(20)
    for cut in sorted(chance.sample(range(1, len(records) + 1), CUTS)):
        power.lay(power.after_power_loss(machine.log, cut, upto=cut), tmp_path / f"after-{cut}")
        expected = set(acknowledged(records[:cut]))
        try:
            kept = rows(tmp_path / f"after-{cut}" / "store.sqlite")
        except sqlite3.DatabaseError:
            losses.corrupt += 1
        else:
            losses.rows_lost += not expected <= kept
            losses.fine += expected <= kept
    return losses


def acknowledged(records: list[power.Record]) -> list[int]:
    return [int(record.data) for record in records if record.path == "acknowledged" and record.operation == "write"]


def rows(store: Path) -> set[int]:
    """The ids in a store. Raises `sqlite3.DatabaseError` if it is not intact."""
    connection = sqlite3.connect(store)
    try:
        if (verdict := connection.execute("PRAGMA integrity_check").fetchone()) != ("ok",):
            raise sqlite3.DatabaseError(verdict[0])
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE name = 'answer'").fetchall()
        return {number for (number,) in connection.execute("SELECT id FROM answer")} if tables else set()
    finally:
        connection.close()


def test_synced_commits_survive_a_loss_of_power_at_any_moment(machine: Machine, tmp_path: Path) -> None:
    assert cut_power(machine, "FULL", tmp_path) == Losses(fine=CUTS)


def test_commits_without_a_sync_of_their_own_are_caught_losing_rows(machine: Machine, tmp_path: Path) -> None:
    losses = cut_power(machine, "NORMAL", tmp_path)
    assert losses.rows_lost > 5
    assert losses.corrupt == 0  # what SQLite promises of it


def test_a_store_that_never_syncs_is_caught_corrupt(machine: Machine, tmp_path: Path) -> None:
    losses = cut_power(machine, "OFF", tmp_path)
    assert losses.rows_lost > 5
    assert losses.corrupt > 5


def test_every_change_to_the_folder_is_in_the_log(machine: Machine) -> None:
    (machine.folder / "older").write_bytes(b"from before the log")
    (machine.folder / "leaves").write_bytes(b"")
    machine.run(EVERY_CALL)
    assert power.as_written(machine.log) == machine.files()
    assert not any("outside" in record.path for record in power.read(machine.log))


def test_what_was_synced_stays_and_what_was_not_may_go(machine: Machine) -> None:
    machine.run("""
import os, sys

file = os.open(sys.argv[1] + "/file", os.O_RDWR | os.O_CREAT)
os.write(file, b"a" * 16384)
os.fsync(file)
os.pwrite(file, b"b" * 8192, 4096)
os.pwrite(file, b"c" * 8192, 16384)
""")
    seen = [power.after_power_loss(machine.log, seed)["file"] for seed in range(300)]
    assert all(content[:4096] == b"a" * 4096 == content[12288:16384] for content in seen)
    assert {len(content) for content in seen} == {16384, 24576}
    assert {content[4096:8192] for content in seen} > {b"a" * 4096, b"b" * 4096}  # old, new, torn
    assert {content[4096] + content[8192] for content in seen} == {2 * ord("a"), ord("a") + ord("b"), 2 * ord("b")}
    assert {content[16384:20480] for content in seen} > {b"", b"c" * 4096, bytes(4096)}  # not grown, grown, a hole
    sectors = {content[at : at + 512] for content in seen for at in range(0, len(content), 512)}
    assert sectors == {bytes([letter]) * 512 for letter in b"abc\0"}
    assert power.after_power_loss(machine.log, 7) == power.after_power_loss(machine.log, 7)


def test_what_a_truncation_cut_off_does_not_come_back_with_what_followed_it(machine: Machine) -> None:
    machine.run("""
import os, sys

file = os.open(sys.argv[1] + "/file", os.O_RDWR | os.O_CREAT)
os.write(file, b"a" * 8192)
os.fsync(file)
os.ftruncate(file, 0)
os.pwrite(file, b"b" * 4096, 4096)
""")
    seen = {power.after_power_loss(machine.log, seed)["file"] for seed in range(100)}
    assert {b"", b"a" * 8192, bytes(8192), bytes(4096) + b"b" * 4096} < seen
    assert all(b"a" not in content for content in seen if content != b"a" * 8192)


def test_a_file_from_before_the_log_counts_as_synced(machine: Machine) -> None:
    (machine.folder / "older").write_bytes(b"a" * 9000)
    machine.run("import sys; open(sys.argv[1] + '/older', 'r+b').write(b'b')")
    seen = {power.after_power_loss(machine.log, seed)["older"] for seed in range(20)}
    assert seen == {b"a" * 9000, b"b" + b"a" * 8999}


def test_what_a_killed_process_could_not_note_is_made_up_for_by_the_next(machine: Machine) -> None:
    machine.run("import sys; open(sys.argv[1] + '/file', 'wb', buffering=0).write(b'a' * 4096)")
    with (machine.folder / "file").open("ab") as file:
        file.write(b"b" * 4096)
    noted = machine.log.read_bytes()
    machine.log.write_bytes(noted + noted[power.read(machine.log)[-2].end : -10])  # the last record again, cut short
    machine.run("import os, sys; os.write(os.open(sys.argv[1] + '/file', os.O_RDWR), b'c')")
    assert power.as_written(machine.log) == machine.files() == {"file": b"c" + b"a" * 4095 + b"b" * 4096}
    assert b"" in {power.after_power_loss(machine.log, seed)["file"] for seed in range(20)}


def test_a_file_moved_in_from_outside_is_said_to_be_unknown(machine: Machine) -> None:
    (machine.folder.parent / "stranger").write_bytes(b"who knows")
    machine.run("import os, sys; os.chdir(sys.argv[1]); os.rename('../stranger', 'stranger')")
    with pytest.raises(ValueError, match="stranger was moved in"):
        power.as_written(machine.log)


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "power.log").write_bytes(b"something else")
    with pytest.raises(ValueError, match="not a log"):
        power.read(tmp_path / "power.log")


def test_a_log_inside_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outside"):
        power.environment(tmp_path / "power.so", tmp_path, tmp_path / "below" / "power.log")
