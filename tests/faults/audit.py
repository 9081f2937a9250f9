"""What is in a store, read past everything the collector keeps in memory, and whether it is all that it must be."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal
from sqlalchemy import text

from collector.access.sites import list_sites
from collector.db.opening import open_database
from collector.responses.rollups import Difference, recount
from collector.settings import Settings
from collector.surveys.lifecycle import list_surveys
from tests.conftest import SECRET
from tests.faults.load import Answer, Load, hexadecimal


@dataclass
class Audit:
    """The rows of a store, and each sum that is not what they add up to."""

    responses: list[tuple[str, str | None, int, int, str | None, bool]]
    """Id, impression, state, score, comment and whether it is complete."""
    impressions: list[tuple[str, bool]]
    """Id, and whether an answer came of it."""
    differences: list[Difference]

    def accounts_for(self, load: Load) -> None:
        """Every acknowledged answer is there, once, as it was acknowledged or as it was sent later; nothing else is."""
        self.holds(load.answers)
        assert not load.wrong, load.wrong[:3]

    def holds(self, answers: Iterable[Answer], *, acknowledged_by: int | None = None) -> None:
        """The same of some answers, as far as they were acknowledged before `Load.mark` was above that."""
        twice = [name for name, number in Counter(row[0] for row in self.responses).items() if number > 1]
        assert not twice, f"more than once: {twice[:3]}"
        assert len({name for name, _ in self.impressions}) == len(self.impressions)
        responses = {row[0]: row for row in self.responses}
        impressions = dict(self.impressions)
        for answer in answers:
            least = answer.acknowledged
            if acknowledged_by is not None:
                least = sum(mark <= acknowledged_by for mark in answer.marks) - 1
            self._holds(answer, least, responses.pop(answer.id.replace("-", ""), None), impressions)
        assert not responses, f"nobody sent {list(responses.values())[:3]}"
        assert not impressions, f"nobody was shown {list(impressions)[:3]}"
        assert not self.differences, self.differences[:3]

    @staticmethod
    def _holds(answer: Answer, least: int, row: tuple[Any, ...] | None, impressions: dict[str, bool]) -> None:
        is_answered = impressions.pop(answer.impression.replace("-", ""), None)
        if row is None:
            assert least < 1, f"lost, acknowledged up to state {least}: {answer}"
            assert least < 0 or is_answered is not None, f"the impression is lost: {answer}"
            assert not is_answered, f"an answer came of it, which is not there: {answer}"
            return
        state = row[2]
        assert max(least, 1) <= state <= answer.sent, f"state {state} of {answer}"
        content = answer.content(state)
        wanted = (content["score"], content.get("comment"), content["complete"])
        assert (row[3], row[4], row[5]) == wanted, f"{row} of {answer}"
        assert row[1] == answer.impression.replace("-", "")
        assert is_answered, f"no answer came of its impression: {answer}"


def audit(url: str, key: str | None = None) -> Audit:
    """Read a whole store, or one site of it. Raises `sqlite3.DatabaseError` if it is a file that is not intact."""
    if url.startswith("sqlite:"):
        check_integrity(Path(url.removeprefix("sqlite:///")))

    async def read() -> Audit:
        database = await open_database(Settings(database_url=url, secret=SECRET))
        try:
            async with database.read() as connection:
                of = {"key": key}
                where = "" if key is None else " WHERE site_id = (SELECT id FROM sites WHERE key = :key)"
                columns = "id, impression_id, state, score, comment, complete"
                responses = await connection.execute(text(f"SELECT {columns} FROM responses{where}"), of)
                answered = [
                    (hexadecimal(one[0]), one[1] and hexadecimal(one[1]), one[2], one[3], one[4], bool(one[5]))
                    for one in responses
                ]
                columns = "id, answered_at IS NOT NULL"
                impressions = await connection.execute(text(f"SELECT {columns} FROM impressions{where}"), of)
                shown = [(hexadecimal(name), bool(is_answered)) for name, is_answered in impressions]
                differences = []
                for site in await list_sites(connection):
                    for survey in await list_surveys(connection, site.id):
                        differences += await recount(connection, site.id, survey.number)
            return Audit(answered, shown, differences)
        finally:
            await database.close()

    with start_blocking_portal() as portal:
        return portal.call(read)


def check_integrity(file: Path) -> None:
    """Raises `sqlite3.DatabaseError` if a file is not intact."""
    with closing(sqlite3.connect(file)) as connection:
        verdict = connection.execute("PRAGMA integrity_check").fetchall()
    if verdict != [("ok",)]:
        raise sqlite3.DatabaseError(str(verdict[:3]))
