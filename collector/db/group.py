"""Group commit: what many ask for at one moment goes into one transaction, and each is answered after it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

import structlog

from collector.errors import Problem, Unavailable

Item = TypeVar("Item")
Reply = TypeVar("Reply")

Answer = Callable[[Reply | Problem], None]
"""Whoever waits for the reply to an item; it must not raise."""

log = structlog.get_logger()


class GroupCommit(Generic[Item, Reply]):
    """Hands items to ``commit`` in batches of all that wait, at most ``largest`` each, ``lanes`` batches at a time.

    An item alone is committed at once; while a transaction is being written, what arrives gathers for the next.
    ``commit`` takes the items and gives back one reply or `Problem` for each, in order.
    """

    def __init__(
        self,
        commit: Callable[[list[Item]], Awaitable[Sequence[Reply | Problem]]],
        *,
        largest: int,
        most_waiting: int,
        lanes: int = 1,
    ) -> None:
        self._commit = commit
        self._largest = largest
        self._most_waiting = most_waiting
        self._idle = lanes
        self._waiting: deque[tuple[Item, Answer[Reply]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Items that are in no transaction yet."""
        return len(self._waiting)

    def hand_in(self, item: Item, answer: Answer[Reply]) -> None:
        """Have an item committed; ``answer`` is called with the reply once its transaction is on disk, or with what its
        commit raised.

        Raises `Unavailable` at once when ``most_waiting`` items wait already.
        """
        if len(self._waiting) >= self._most_waiting:
            raise Unavailable("More answers are arriving than can be saved.", headers={"Retry-After": "2"})
        self._waiting.append((item, answer))
        if self._idle:
            self._idle -= 1
            task = asyncio.create_task(self._run())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def submit(self, item: Item) -> asyncio.Future[Reply]:
        """The same to await: the future raises what `hand_in` would answer with as a problem."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.hand_in(item, partial(_settle, future))
        return future

    async def drain(self) -> None:
        """Wait until everything that was submitted is answered."""
        while self._running:
            await asyncio.wait(self._running)

    async def _run(self) -> None:
        try:
            while self._waiting:
                waiting = self._waiting
                batch = [waiting.popleft() for _ in range(min(len(waiting), self._largest))]
                await self._settle(batch)
        finally:
            self._idle += 1

    async def _settle(self, batch: list[tuple[Item, Answer[Reply]]]) -> None:
        replies: Sequence[Reply | Problem]
        try:
            replies = await self._commit([item for item, _ in batch])
        except Problem as problem:
            replies = [problem] * len(batch)
        except Exception as error:
            if len(batch) > 1:  # one that cannot be stored must not cost its neighbours, nor each a transaction
                middle = len(batch) // 2
                await self._settle(batch[:middle])
                await self._settle(batch[middle:])
                return
            replies = [Problem()]
            log.error("unexpected in a transaction", exc_info=error)
        for (_, answer), reply in zip(batch, replies, strict=True):
            try:
                answer(reply)
            except Exception as error:  # whatever is wrong with one, the others are answered
                log.error("unexpected after a transaction", exc_info=error)


def _settle(future: asyncio.Future[Reply], reply: Reply | Problem) -> None:
    if future.done():  # who asked has gone
        return
    if isinstance(reply, Problem):
        future.set_exception(reply)
    else:
        future.set_result(reply)
