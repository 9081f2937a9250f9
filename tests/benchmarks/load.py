"""A load generator: one process, kept-alive connections, each with one request at a time. To loopback alone.

``python -m tests.benchmarks.load`` reads a plan as JSON from standard input and writes what it saw as JSON. It is a
program of its own so that it can have a core of its own.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import count


@dataclass
class Plan:
    """``template`` is a whole request; ``@ID@`` and ``@VISIT@`` in it become a fresh UUIDv7 each time."""

    port: int
    template: str
    seconds: float
    connections: int = 64
    core: int | None = None


@dataclass
class Seen:
    """What came back; times in seconds."""

    requests: int = 0
    seconds: float = 0.0
    median: float = 0.0
    p99: float = 0.0
    slowest: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def run(plan: Plan) -> Seen:
    """Send for as long as the plan says, and wait for every answer."""
    if plan.core is not None:
        os.sched_setaffinity(0, {plan.core})
    parts = plan.template.encode().replace(b"@VISIT@", b"@ID@").split(b"@ID@")
    poll = select.epoll()
    open_: dict[int, socket.socket] = {}
    for _ in range(plan.connections):
        one = socket.create_connection(("127.0.0.1", plan.port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(one, select.EPOLLIN)
        open_[one.fileno()] = one
    began: dict[int, float] = {}
    pending: dict[int, bytes] = {}
    times: list[float] = []
    statuses: dict[bytes, int] = {}
    fresh = _ids()
    clock = time.perf_counter

    def send(number: int) -> None:
        request = parts[0]
        for part in parts[1:]:
            request += next(fresh) + part
        began[number] = clock()
        open_[number].send(request)

    start = clock()
    end = start + plan.seconds
    for number in open_:
        send(number)
    waiting = len(open_)
    while waiting:
        for number, _ in poll.poll(5) or _gave_up():
            data = open_[number].recv(65536)
            if not data:
                raise ConnectionError("the server closed a connection")
            if number in pending:
                data = pending.pop(number) + data
            if not _is_whole(data):
                pending[number] = data
                continue
            now = clock()
            times.append(now - began[number])
            status = data[9:12]
            statuses[status] = statuses.get(status, 0) + 1
            if now < end:
                send(number)
            else:
                waiting -= 1
    seconds = clock() - start
    for one in open_.values():
        one.close()
    times.sort()
    return Seen(
        len(times),
        seconds,
        times[len(times) // 2],
        times[int(len(times) * 0.99)],
        times[-1],
        {status.decode(): number for status, number in statuses.items()},
    )


def _gave_up() -> list[tuple[int, int]]:
    raise TimeoutError("no answer for five seconds")


def _is_whole(data: bytes) -> bool:
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = data.find(b"content-length: ", 0, head)
    if at < 0:  # 204 and 304 have no body
        return True
    return len(data) >= head + 4 + int(data[at + 16 : data.index(b"\r", at)])


def _ids() -> Iterator[bytes]:
    """Fresh UUIDv7s: the time, and a counter where the random bits are."""
    lane = secrets.token_hex(3).encode()
    for number in count():
        moment = b"%012x" % (time.time_ns() // 1_000_000)
        tail = b"%010x" % number
        yield b"%b-%b-7%b-8%b-%b" % (moment[:8], moment[8:], tail[:3], tail[3:6], lane + tail[4:])


if __name__ == "__main__":
    json.dump(asdict(run(Plan(**json.load(sys.stdin)))), sys.stdout)
