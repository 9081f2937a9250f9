"""What is published, kept at hand: each site's script, and what the intake knows of the site.

Another process may publish as well: what is kept is a few seconds old at most, and younger where the store tells of
changes. While the store cannot be reached, what was kept is still served.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from collector.access.sites import Site, site_by_key
from collector.db.store import Database
from collector.errors import NotFound, Unavailable
from collector.responses.open_sites import OpenSite, OpenSurvey, load_open_site, load_revision
from collector.surveys.lifecycle import Revision, get_revision, live_revisions
from collector.web.visitors.script import Script, config_of

RENEW_SECONDS = 2.0
"""From this age on a value is loaded anew beside the requests, which go on with what there is."""
FRESH_SECONDS = 4.0
"""From this age on a request waits for the store."""
MOST_ENTRIES = 10_000
"""Sites, and surveys' own pages, that are kept at hand; past that, the one that was asked for longest ago goes."""
MOST_BYTES = 64 * 1024 * 1024
"""Of scripts with their packed forms, likewise."""
LOAD_SECONDS = 3.0
"""How long the store may take before what was kept is served."""
SEEK_SECONDS = 0.2
"""Between two loads of a value because something was not in it."""

Value = TypeVar("Value")


@dataclass(slots=True)
class _Entry(Generic[Value]):
    value: Value
    checked: float


class Kept(Generic[Value]):
    """Values by name, loaded when they are asked for and not fresh; many who ask at once cause one load."""

    def __init__(
        self, load: Callable[[str, Value | None], Awaitable[Value]], size_of: Callable[[Value], int] = lambda _: 0
    ) -> None:
        self._load, self._size_of, self._bytes = load, size_of, 0
        self._entries: dict[str, _Entry[Value]] = {}
        self._loading: dict[str, asyncio.Task[Value]] = {}
        self._seeking: dict[str, asyncio.Task[Value]] = {}
        self._sought: dict[str, float] = {}
        self._age = 0

    def fresh(self, name: str) -> Value | None:
        """The value, if it was checked against the store just now."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        age = time.monotonic() - entry.checked
        if age >= FRESH_SECONDS:
            return None
        if age >= RENEW_SECONDS and name not in self._loading:
            # what goes wrong with it the next request hears, when it waits for the same
            self._begin(name).add_done_callback(lambda done: done.cancelled() or done.exception())
        return entry.value

    async def get(self, name: str) -> Value:
        """Raises what loading it raises; while the store is away, the value as it was."""
        value = self.fresh(name)
        return value if value is not None else await self.renew(name)

    async def renew(self, name: str) -> Value:
        """The value as the store has it now."""
        task = self._loading.get(name) or self._begin(name)
        done, _ = await asyncio.wait([task], timeout=LOAD_SECONDS)
        if done:
            return task.result()
        entry = self._entries.get(name)  # the store has gone silent; when it speaks again, so does the task
        if entry is None:
            raise Unavailable(headers={"Retry-After": "5"})
        return entry.value

    async def seek(self, name: str) -> Value:
        """The value as the store has it after this moment, for what was not in the one at hand. Whoever asks for what
        is nowhere causes one load in `SEEK_SECONDS`, together with all others."""
        task = self._seeking.get(name)
        if task is None:
            task = self._seeking[name] = asyncio.create_task(self._seek(name))
        return await asyncio.shield(task)

    async def _seek(self, name: str) -> Value:
        try:
            await asyncio.sleep(self._sought.get(name, 0.0) + SEEK_SECONDS - time.monotonic())
            if running := self._loading.get(name):  # it began before what is sought was there, perhaps
                await asyncio.wait([running], timeout=LOAD_SECONDS)
        finally:
            del self._seeking[name]  # who asks from now on asks for another load
        self._sought[name] = time.monotonic()
        return await self.renew(name)

    def _begin(self, name: str) -> asyncio.Task[Value]:
        task = self._loading[name] = asyncio.create_task(self._renew(name))
        task.add_done_callback(lambda done: self._loading.pop(name) if self._loading.get(name) is done else None)
        return task

    def forget(self) -> None:
        """Ask the store at the next request."""
        for entry in self._entries.values():
            entry.checked = float("-inf")
        self._loading.clear()  # what is being loaded may be what was before
        self._age += 1

    async def _renew(self, name: str) -> Value:
        entry, age = self._entries.get(name), self._age
        try:
            value = await self._load(name, entry.value if entry else None)
        except NotFound:
            self._drop(name)
            raise
        except Unavailable:
            if entry is None:
                raise
            value = entry.value
        self._drop(name)  # so that it stands last: those that are asked for are renewed every few seconds
        self._entries[name] = _Entry(value, time.monotonic() if age == self._age else float("-inf"))
        self._bytes += self._size_of(value)
        while len(self._entries) > 1 and (len(self._entries) > MOST_ENTRIES or self._bytes > MOST_BYTES):
            self._drop(next(iter(self._entries)))
        return value

    def _drop(self, name: str) -> None:
        if entry := self._entries.pop(name, None):
            self._bytes -= self._size_of(entry.value)


class Live:
    """The scripts and sites of one process."""

    def __init__(self, database: Database, clock: Callable[[], datetime], base_url: str) -> None:
        self._database, self._clock, self._base_url = database, clock, base_url
        self.scripts = Kept(self._load_script, lambda script: script.packed.size + len(script.config))
        self.configs = Kept(self._load_config, len)
        self.sites = Kept(self._load_site)

    def forget(self) -> None:
        """Something was published or taken back."""
        for kept in (self.scripts, self.configs, self.sites):
            kept.forget()

    async def find(self, site: OpenSite, survey_key: str, revision: int) -> OpenSurvey | None:
        """A survey with the document of a revision at hand; None when there is no such thing."""
        if not site.has(survey_key, revision):
            return None
        survey = site.surveys[survey_key]
        if revision not in survey.revisions:
            async with self._database.read() as connection:
                await load_revision(connection, site, survey, revision)
        return survey if revision in survey.revisions else None

    async def _load_site(self, key: str, earlier: OpenSite | None) -> OpenSite:
        async with self._database.read() as connection:
            return await load_open_site(connection, key, earlier, now=self._clock())

    async def _load_script(self, name: str, earlier: Script | None) -> Script:
        key, _, survey = name.partition("-")
        async with self._database.read() as connection:
            site = await site_by_key(connection, key)
            if survey:
                revision = await get_revision(connection, site.id, survey, None)
                if revision.status != "published":
                    raise NotFound("This survey is not published.")
                published = [revision]
            else:
                published = await live_revisions(connection, site.id)
        return await asyncio.to_thread(_script_of, site, published, self._base_url, bool(survey), earlier)

    async def _load_config(self, name: str, _: str | None) -> str:
        """Of a site in a numbered format: ``KEY?NUMBER``."""
        key, _, number = name.partition("?")
        async with self._database.read() as connection:
            site = await site_by_key(connection, key)
            published = await live_revisions(connection, site.id)
        return await asyncio.to_thread(config_of, site, published, number=int(number))


def _script_of(
    site: Site, published: Sequence[Revision], base_url: str, own_page: bool, earlier: Script | None
) -> Script:
    """Made on a thread, so that a large site keeps no other waiting."""
    config = config_of(site, published, base_url=base_url, own_page=own_page)
    return earlier if earlier and earlier.config == config else Script.of(config)
