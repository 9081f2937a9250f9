"""Counts a site's answers over by the days of another time zone, survey by survey.

A survey's sums are put right by what they differ from its rows by at one moment, so that an answer that comes in
meanwhile is counted once, and a step that is made again changes nothing. Once all are done they are gone over a second
time: a collector that had not heard of the change may have counted by the former days until then.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.sites import RECOUNT, site_by_id
from collector.db.outbox import Job
from collector.db.scheduling import end_of, note_progress, progress_of
from collector.db.schema import surveys
from collector.responses.rollups import Difference, recount

SECOND_LOOK_SECONDS = 60.0
"""After the first: by then every collector knows of a change, or that it hears of none."""
PUT_RIGHT_AT_ONCE = 500
"""Sums that one transaction puts right."""


@dataclass(frozen=True)
class Progress:
    """As a job notes it."""

    zone: str
    of: int
    """Surveys of the site, when it began."""
    counted: int = 0
    after: int = 0
    """The number of the last survey that was counted."""
    is_second: bool = False

    @classmethod
    def read(cls, noted: str) -> Progress | None:
        return cls(**json.loads(noted)) if noted else None

    @property
    def noted(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Step:
    """One survey to put right; 0 when there is none left."""

    before: str
    """What the job had noted."""
    progress: Progress
    survey_number: int = 0
    differences: Sequence[Difference] = field(default=())

    @property
    def parts(self) -> list[Sequence[Difference]]:
        every = self.differences
        return [every[start : start + PUT_RIGHT_AT_ONCE] for start in range(0, len(every), PUT_RIGHT_AT_ONCE)]


async def next_step(connection: AsyncConnection, job: Job) -> Step:
    """What is next, with what its sums lack at the moment that this connection sees."""
    noted = await progress_of(connection, job.site_id, RECOUNT) or ""
    zone = (await site_by_id(connection, job.site_id)).settings.time_zone
    progress = Progress.read(noted)
    if progress is None or progress.zone != zone:
        every = select(func.count()).where(surveys.c.site_id == job.site_id)
        progress = Progress(zone, (await connection.execute(every)).scalar_one())
    left = select(func.min(surveys.c.number)).where(surveys.c.site_id == job.site_id, surveys.c.number > progress.after)
    number: int | None = (await connection.execute(left)).scalar_one()
    if number is None:
        return Step(noted, progress)
    return Step(noted, progress, number, await recount(connection, job.site_id, number))


async def move_on(connection: AsyncConnection, job: Job, step: Step) -> float | None:
    """Note that a step was made; in how many seconds the next one is due, None after the last.

    If the zone was changed again since, the next step is the first."""
    if step.survey_number:
        counted = replace(step.progress, after=step.survey_number, counted=step.progress.counted + 1)
        await note_progress(connection, job, step.before, counted.noted)
        return 0.0
    if step.progress.is_second:
        return None if await end_of(connection, job, step.before) else 0.0
    second = replace(step.progress, after=0, is_second=True)
    return SECOND_LOOK_SECONDS if await note_progress(connection, job, step.before, second.noted) else 0.0


async def recount_progress(connection: AsyncConnection, site_id: int) -> float | None:
    """Which share of a site's surveys is counted by the days of its time zone, from 0 to 1; None when all are."""
    noted = await progress_of(connection, site_id, RECOUNT)
    if noted is None:
        return None
    progress = Progress.read(noted)
    if progress is None:
        return 0.0
    return None if progress.is_second else min(1.0, progress.counted / max(1, progress.of))
