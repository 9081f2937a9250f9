"""Visitors who answer, some two hundred a second, and a note of everything that was acknowledged to them.

    with Load(collector.ports, site, survey) as load:
        load.wait_for(100)
        collector.kill()
        ...
        load.finish()
    audit(url).accounts_for(load)

Each sends an impression, a score, and then the same answer again with a comment, and does as the widget does: what was
neither acknowledged nor refused for good is sent again. One in four has left by then and never sends anything again.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Self

from collector.db.ids import new_id
from tests.conftest import BROWSER_SECRET, PERSON, Site
from tests.postgres import wait_until

PAGE = "https://shop.example/order?id=7"
REPLY_SECONDS = 30.0
"""No reply for so long is wrong, whatever happened to the collector."""
PAUSE = 0.05
"""Seconds before something is sent again."""
LAST_STATE = 2

_numbers = count(1)


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One client connection, opened when it is needed; raises `OSError` or `EOFError` when it breaks."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.has_asked = False
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, site: str, body: bytes, headers: str = "") -> Reply:
        head = f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n{headers}"
        return await self.ask(f"POST /w/{site}/events", head, body)

    async def ask(self, line: str, headers: str = "", body: bytes = b"") -> Reply:
        head = f"{line} HTTP/1.1\r\nHost: collector.test\r\nUser-Agent: {PERSON}\r\n{headers}\r\n"
        return await self.send(head.encode("latin-1") + body)

    async def send(self, data: bytes) -> Reply:
        """Send these very bytes, and read one reply."""
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                return await self._send(data)
        except BaseException:
            self.close()
            raise

    async def _send(self, data: bytes) -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        writer.write(data)
        self.has_asked = True
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.close()
        return Reply(int(head[0].split()[1]), headers, body)

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None


@dataclass
class Answer:
    """One visitor's answer: how far it was sent, and how far that was acknowledged; 0 is the impression alone."""

    number: int
    impression: str = field(default_factory=lambda: str(new_id()))
    id: str = field(default_factory=lambda: str(new_id()))
    sent: int = -1
    acknowledged: int = -1
    marks: list[int] = field(default_factory=list)
    """What `Load.mark` said when each state was acknowledged."""

    @property
    def has_left(self) -> bool:
        """The page is closed: what could not be sent at once never is."""
        return self.number % 4 == 3

    def content(self, state: int) -> dict[str, Any]:
        comment = {"comment": f"Nr. {self.number}: très bien, dank je \U0001f331"} if state == LAST_STATE else {}
        return {"state": state, "score": self.number % 5 + 1, "complete": state == LAST_STATE, **comment}

    def event(self, survey: dict[str, Any], state: int) -> dict[str, Any]:
        about = {"survey": survey["key"], "revision": 1, "page": PAGE, "language": "en", "secret": BROWSER_SECRET}
        if state == 0:
            return {"type": "impression", "id": self.impression, **about}
        own = {"type": "response", "id": self.id, "impression": self.impression}
        return {**own, **about, **self.content(state)}


class Load:
    """Answers to one survey, in a thread of its own, sent to each of some collectors in turn."""

    def __init__(
        self,
        ports: Sequence[int],
        site: Site,
        survey: dict[str, Any],
        *,
        per_second: int = 200,
        connections: int = 48,
        mark: Callable[[], int] = lambda: 0,
    ) -> None:
        self.answers: list[Answer] = []
        self.wrong: list[str] = []
        """Replies that no visitor may get, whatever happens to the collector."""
        self.refusals = 0
        """Replies of 503: nothing can be stored right now."""
        self.losses = 0
        """Requests without a reply."""
        self._ports, self._site, self._survey = ports, site, survey
        self._per_second, self._connections = per_second, connections
        self._mark = mark
        self._acknowledged = 0
        self._closed_for_new = self._abandoned = False
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    @property
    def acknowledged(self) -> int:
        """Requests that were answered with 200, each of one impression or one state."""
        return self._acknowledged

    def wait_for(self, more: int) -> None:
        """Until so many further requests are acknowledged."""
        wanted = self._acknowledged + more
        self.wait_until(lambda: self._acknowledged >= wanted, f"{more} more answers were not taken")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(lambda: bool(self.wrong) or condition(), lambda: f"{what}: {self}")
        assert not self.wrong, self.wrong[:3]

    def finish(self) -> None:
        """Nobody new comes, and everybody who is here gets their answer in."""
        self._closed_for_new = True
        self.wait_until(lambda: not self._thread.is_alive(), "not everybody got their answer in")

    def abandon(self) -> None:
        """Everybody leaves at once."""
        self._closed_for_new = self._abandoned = True
        self._thread.join(REPLY_SECONDS + 5)
        assert not self._thread.is_alive()

    def __str__(self) -> str:
        waiting = sum(one.acknowledged < LAST_STATE and not one.has_left for one in self.answers)
        told = f"{self.acknowledged} acknowledged, {self.refusals} refused, {self.losses} lost, {waiting} not done"
        return f"{told}, wrong: {self.wrong[:3]}"

    async def _run(self) -> None:
        self._next = time.monotonic()
        await asyncio.gather(*(self._visitors(index) for index in range(self._connections)))

    async def _visitors(self, index: int) -> None:
        wire = Wire(self._ports[index % len(self._ports)])
        while not self._closed_for_new:
            now = time.monotonic()
            wait = max(0.0, self._next - now)
            self._next = max(self._next, now) + 1 / self._per_second
            await asyncio.sleep(wait)
            answer = Answer(next(_numbers))
            self.answers.append(answer)
            for state in range(LAST_STATE + 1):
                if not await self._bring(wire, answer, state):
                    break
        wire.close()

    async def _bring(self, wire: Wire, answer: Answer, state: int) -> bool:
        """Send one state until it is acknowledged. False when it never will be."""
        event = answer.event(self._survey, state)
        body = json.dumps({"events": [event]}).encode()
        answer.sent = state
        while not self._abandoned:
            if await self._is_stored(wire, event["id"], body):
                answer.acknowledged = state
                answer.marks.append(self._mark())
                self._acknowledged += 1
                return True
            if answer.has_left:
                return False
            await asyncio.sleep(PAUSE)
        return False

    async def _is_stored(self, wire: Wire, event: str, body: bytes) -> bool:
        try:
            reply = await wire.post(self._site.key, body)
        except TimeoutError:
            self.wrong.append(f"no reply in {REPLY_SECONDS:.0f} seconds")
            return False
        except (OSError, EOFError):
            self.losses += 1
            return False
        if reply.status == 503 and reply.headers.get("retry-after", "").isdecimal():
            self.refusals += 1
            return False
        with suppress(ValueError, KeyError):
            if reply.status == 200 and reply.json()["stored"] == [event]:
                return True
        self.wrong.append(f"{reply.status} {reply.headers} {reply.body[:500]!r}")
        return False


def hexadecimal(value: object) -> str:
    """An id as both databases can be compared by."""
    return value.hex() if isinstance(value, bytes) else str(value).replace("-", "")
