"""What is said to a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that are executed because of what happens in this block, and not beside it, such as by a worker;
    but for those of batches, which go past the engine."""
    said: list[str] = []

    def hear(_: Any, __: Any, statement: str, *___: Any) -> None:
        if _heard.get() is said:
            said.append(statement)

    event.listen(Engine, "before_cursor_execute", hear)
    before = _heard.set(said)
    try:
        yield said
    finally:
        _heard.reset(before)
        event.remove(Engine, "before_cursor_execute", hear)
