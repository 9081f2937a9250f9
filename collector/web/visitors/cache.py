"""Values at hand by the key of a site, loaded when they are asked for, and anew when they are old or have changed."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from collector.errors import NotFound, Unavailable

RENEW_SECONDS = 2.0
"""From this age on a value is loaded anew beside the requests, which go on with what there is."""
FRESH_SECONDS = 4.0
"""From this age on a request waits for the store."""
HEARD_FACTOR = 300
"""So many times older may a value be while changes are heard of: what loading it costs is spread over ten minutes."""
ABSENT_SECONDS = 60.0
"""For so long a name stays unknown while changes are heard of; the command line of SQLite tells nobody of a new one."""
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


class Cache(Generic[Value]):
    """Values by name, loaded when they are asked for and not fresh; many who ask at once cause one load."""

    def __init__(
        self,
        load: Callable[[str, Value | None], Awaitable[Value]],
        hears: Callable[[], bool],
        size_of: Callable[[Value], int] = lambda _: 0,
    ) -> None:
        """``hears``: whether `forget` is called for each change, whoever made it."""
        self._load, self._hears, self._size_of, self._bytes = load, hears, size_of, 0
        self._entries: dict[str, _Entry[Value]] = {}
        self._loading: dict[str, asyncio.Task[Value]] = {}
        self._seeking: dict[str, asyncio.Task[Value]] = {}
        self._sought: dict[str, float] = {}
        self._absent: dict[str, float] = {}

    def fresh(self, name: str) -> Value | None:
        """The value, if it was checked against the store just now."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        age = self._age_of(entry.checked)
        if age >= FRESH_SECONDS:
            return None
        if age >= RENEW_SECONDS and name not in self._loading:
            # what goes wrong with it the next request hears, when it waits for the same
            self._begin(name).add_done_callback(lambda done: done.cancelled() or done.exception())
        return entry.value

    async def get(self, name: str) -> Value:
        """Raises what loading it raises; while the store is away, the value as it was."""
        value = self.fresh(name)
        unknown_for = time.monotonic() - self._absent.get(name, float("-inf"))
        if value is None and unknown_for < (ABSENT_SECONDS if self._hears() else RENEW_SECONDS):
            raise NotFound("Unknown key.")
        return value if value is not None else await self.renew(name)

    def _age_of(self, checked: float) -> float:
        """Seconds since then, of which few count while changes are heard of."""
        return (time.monotonic() - checked) / (HEARD_FACTOR if self._hears() else 1)

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

    def forget(self, site_key: str | None = None) -> None:
        """Ask the store at the next request for what is of a site, by its key alone or with more behind it; or for
        everything."""

        def concerns(name: str) -> bool:
            return site_key is None or re.split("[-?]", name, maxsplit=1)[0] == site_key

        for name, entry in self._entries.items():
            if concerns(name):
                entry.checked = float("-inf")
        for name in [*filter(concerns, self._loading)]:
            del self._loading[name]  # it may be what was before
        for name in [*filter(concerns, self._absent)]:
            del self._absent[name]

    async def _renew(self, name: str) -> Value:
        entry, mine = self._entries.get(name), asyncio.current_task()
        try:
            value = await self._load(name, entry.value if entry else None)
        except NotFound:
            self._drop(name)
            if self._loading.get(name) is mine:
                self._absent.pop(name, None)  # so that it stands last
                self._absent[name] = time.monotonic()
                if len(self._absent) > MOST_ENTRIES:
                    del self._absent[next(iter(self._absent))]
            raise
        except Unavailable:
            if entry is None:
                raise
            value = entry.value
        self._drop(name)  # so that it stands last: those that are asked for are renewed every few seconds
        self._entries[name] = _Entry(value, time.monotonic() if self._loading.get(name) is mine else float("-inf"))
        self._bytes += self._size_of(value)
        while len(self._entries) > 1 and (len(self._entries) > MOST_ENTRIES or self._bytes > MOST_BYTES):
            self._drop(next(iter(self._entries)))
        return value

    def _drop(self, name: str) -> None:
        if entry := self._entries.pop(name, None):
            self._bytes -= self._size_of(entry.value)
