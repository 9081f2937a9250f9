"""Loss of power, simulated: what the disk may hold when everything that was not synced is at its mercy.

A process runs with the library from `build` preloaded (see `environment`), which logs every change to the files of
one folder. `after_power_loss` replays the log up to a moment and rolls the dice:

- What was written to a file before its last fsync or fdatasync is there.
- Of what came later each page of 4096 bytes is independently there or not, or torn into sectors of 512 bytes that are.
  A sector holds all that was written to it up to some moment, as a page cache leaves it, never a mixture of others.
- The file's size, too, may be any that it had since the sync. Where it grew and the data is missing there are zeros.
- What a truncation cut off does not come back once the truncation itself is on disk, and the other way about.
- Folders are taken as durable at once: a file that was created, renamed or removed is so after the loss. Forgetting to
  sync a folder is therefore not found.

The model is that of a disk which honours a sync. A file that existed before its first opening counts as durable.
"""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PAGE = 4096
SECTOR = 512
SOURCE = Path(__file__).with_name("power.c")

_HEAD = struct.Struct("<4sBHqQ")
_BEGIN, _END = b"PWR<", b">PWR"
_OPEN, _FOUND, _WRITE, _SIZE, _SYNC, _UNLINK, _RENAME = b"OFWTSUR"
_NAMES = {
    _OPEN: "open",
    _FOUND: "found",
    _WRITE: "write",
    _SIZE: "size",
    _SYNC: "sync",
    _UNLINK: "unlink",
    _RENAME: "rename",
}


@dataclass(frozen=True)
class Record:
    """One call that succeeded, in the order in which they returned."""

    operation: str
    """``open``, ``found`` (open, with what was there), ``write``, ``size``, ``sync``, ``unlink`` or ``rename``."""
    path: str
    """Below the folder, at the time of the call; empty for the side of a rename that lies outside."""
    offset: int
    """Where a write began, in bytes; for ``size`` the new size."""
    data: bytes
    """What was written or found; for ``rename`` the new name."""
    end: int
    """The log's size in bytes with this record: an acknowledgement that arrives when the log has this size or more
    comes after it."""


def build(folder: Path) -> Path | None:
    """Compile the library into a folder; None where that cannot be: not Linux, or no C compiler."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux") or not compiler:
        return None
    library = folder / "power.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True, timeout=60)
    return library


def environment(library: Path, folder: Path, log: Path) -> dict[str, str]:
    """What a process needs in its environment so that its changes to the folder are logged. Raises `ValueError`."""
    if log.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"the log must lie outside the folder: {log}")
    return {"LD_PRELOAD": str(library), "POWER_FOLDER": str(folder), "POWER_LOG": str(log)}


def read(log: Path) -> list[Record]:
    """The log's records; one that a kill cut short is left out."""
    return list(_records(log.read_bytes()))


def _records(content: bytes) -> Iterator[Record]:
    at = content.find(_BEGIN)
    if content and at != 0:
        raise ValueError("not a log of power.c")
    while 0 <= at <= len(content) - _HEAD.size:
        _, operation, path_length, offset, length = _HEAD.unpack_from(content, at)
        data = at + _HEAD.size + path_length
        end = data + length + len(_END)
        whole = content[data + length : end] == _END
        if whole:
            path = content[at + _HEAD.size : data].decode()
            yield Record(_NAMES[operation], path, offset, content[data : data + length], end)
        at = content.find(_BEGIN, end if whole else at + 1)


def after_power_loss(log: Path, seed: int, *, upto: int | None = None) -> dict[str, bytes]:
    """What the folder's files may hold, by path, when power is lost after the first ``upto`` records (or all)."""
    chance = random.Random(seed)
    return {path: file.survivor(chance) for path, file in sorted(_replay(read(log)[:upto]).items())}


def as_written(log: Path, *, upto: int | None = None) -> dict[str, bytes]:
    """The files without a loss. Unlike the folder itself? Then a change was made in a way that is not logged."""
    return {path: bytes(file.current()) for path, file in sorted(_replay(read(log)[:upto]).items())}


def lay(files: dict[str, bytes], folder: Path) -> None:
    """Write files out into a folder that does not exist yet, so that nothing older is taken for theirs."""
    folder.mkdir(parents=True)
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _replay(records: Iterable[Record]) -> dict[str, _File]:
    files: dict[str, _File] = {}
    for record in records:
        match record.operation:
            case "unlink":
                files.pop(record.path, None)
            case "rename":
                _rename(files, record.path, record.data.decode())
            case "found" if record.path not in files:
                files[record.path] = _File(bytearray(record.data))
            case _:
                files.setdefault(record.path, _File()).change(record)
    return files


def _rename(files: dict[str, _File], old: str, new: str) -> None:
    if not old:
        raise ValueError(f"{new} was moved in from outside the folder, and what it holds is not in the log")
    moved = files.pop(old, None)
    if new and moved:
        files[new] = moved
        return
    for path in [path for path in files if path.startswith(old + "/")]:  # a folder, with what is in it
        file = files.pop(path)
        if new:
            files[new + path.removeprefix(old)] = file


@dataclass
class _File:
    """One file: what is surely on disk, and the changes since, each ``(offset, data)`` or ``(new size, None)``."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def change(self, record: Record) -> None:
        match record.operation:
            case "write":
                self.pending.append((record.offset, record.data))
            case "size":
                self.pending.append((record.offset, None))
            case "found":
                self._make_up(record.data)
            case "sync":
                self._apply(self.durable)
                self.pending.clear()

    def _make_up(self, content: bytes) -> None:
        """A later process found this; what differs was done by one that was killed before it could note it."""
        known = self.current()
        if len(known) != len(content):
            self.pending.append((len(content), None))
        for start in range(0, len(content), SECTOR):
            if known[start : start + SECTOR] != content[start : start + SECTOR]:
                self.pending.append((start, content[start : start + SECTOR]))

    def current(self) -> bytearray:
        content = bytearray(self.durable)
        self._apply(content)
        return content

    def _apply(self, content: bytearray) -> None:
        for offset, data in self.pending:
            content.extend(bytes(max(0, offset - len(content))))
            if data is None:
                del content[offset:]
            else:
                content[offset : offset + len(data)] = data

    def survivor(self, chance: random.Random) -> bytes:
        """What one loss of power leaves. A version *n* is the file as it was after the first *n* pending changes."""
        sizes, spans = self._history()
        keep = chance.choice((0.0, 0.25, 0.5, 0.75, 1.0))
        resized = [version for version in range(1, len(sizes)) if sizes[version] != sizes[version - 1]]
        size_version = _reached(resized, keep, chance)
        reached = self._sectors(spans, keep, chance)
        for version, ((_, data), span) in enumerate(zip(self.pending, spans, strict=True), 1):
            if data is None:
                for sector in span:
                    kept = size_version >= version
                    reached[sector] = max(reached[sector], version) if kept else min(reached[sector], version - 1)

        content = bytearray(self.durable)
        content.extend(bytes(max(0, max(sizes) - len(content))))
        for version, ((offset, data), span) in enumerate(zip(self.pending, spans, strict=True), 1):
            for sector in span:
                if reached[sector] >= version:
                    start = max(sector * SECTOR, offset)
                    if data is None:
                        stop = min((sector + 1) * SECTOR, len(content))
                        content[start:stop] = bytes(stop - start)
                    else:
                        stop = min((sector + 1) * SECTOR, offset + len(data))
                        content[start:stop] = data[start - offset : stop - offset]
        return bytes(content[: sizes[size_version]])

    def _history(self) -> tuple[list[int], list[range]]:
        """The size in each version, beginning with what is durable, and the sectors that each change touches."""
        sizes, spans = [len(self.durable)], []
        for offset, data in self.pending:
            end = max(offset, sizes[-1]) if data is None else offset + len(data)
            spans.append(range(offset // SECTOR, -(-end // SECTOR)) if end > offset else range(0))
            sizes.append(offset if data is None else max(sizes[-1], end))
        return sizes, spans

    @staticmethod
    def _sectors(spans: list[range], keep: float, chance: random.Random) -> dict[int, int]:
        """The version that each sector reached the disk in; those of a page together, unless it is torn."""
        versions: dict[int, dict[int, list[int]]] = {}
        for version, span in enumerate(spans, 1):
            for sector in span:
                versions.setdefault(sector * SECTOR // PAGE, {}).setdefault(sector, []).append(version)
        reached = {}
        for sectors in versions.values():
            together = _reached(sorted({version for each in sectors.values() for version in each}), keep, chance)
            torn = chance.random() < 0.25
            for sector, each in sectors.items():
                reached[sector] = _reached(each, keep, chance) if torn else together
        return reached


def _reached(versions: list[int], keep: float, chance: random.Random) -> int:
    """The last of the versions that were kept, each independently; 0 if none was."""
    return max((version for version in versions if chance.random() < keep), default=0)
