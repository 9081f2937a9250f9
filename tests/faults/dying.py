"""Opens stores and kills itself (SIGKILL) just before a statement or commit that a test chose.

Reads lines ``URL NUMBER`` and answers each with ``killed``, or with how many there were when the number is above that;
a line on its own process, forked from this one so that the imports are paid once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from collector.db.opening import open_database
from collector.settings import Settings


def _open(url: str, number: int) -> int:
    seen = 0

    def look(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", look)
    event.listen(Engine, "commit", look)

    async def run() -> None:
        await (await open_database(Settings(database_url=url))).close()

    asyncio.run(run())
    return seen


def main() -> None:
    for line in sys.stdin:
        url, number = line.split()
        readable, writable = os.pipe()
        child = os.fork()
        if not child:
            os.write(writable, str(_open(url, int(number))).encode())
            os._exit(0)
        os.close(writable)
        _, status = os.waitpid(child, 0)
        said = os.read(readable, 20).decode()
        os.close(readable)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        sys.stdout.write(("killed" if killed else said or "failed") + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
