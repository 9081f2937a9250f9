"""Requests to the two addresses that every visitor's browser asks for, which are answered without the framework.

The server's protocol hands over a whole request, and is called back with the answer: no scope, no task, no messages in
between, which would cost more than all the rest. Whatever is unusual about a request goes the ordinary way instead, to
the same function in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from collector.errors import BadRequest, TooLarge
from collector.web.packed import Head

MOST_BYTES = 64 * 1024
"""The largest body of an event or form."""

Reply = Callable[[Head, bytes], None]


@dataclass(slots=True)
class Asked:
    """One whole request; ``reply`` is to be called once, now or later, and never raises."""

    address: str
    headers: Mapping[bytes, bytes]
    body: bytes
    reply: Reply


Begin = Callable[[Asked], None]
"""Sees to it that a request is answered."""
FindDirect = Callable[[bytes, bytes], Begin | None]
"""By method and target of a request, whoever answers it directly; None for the ordinary way."""


class Body:
    """The body of a request as it arrives. Raises `BadRequest` for a compressed one, `TooLarge` as soon as it is known
    to be."""

    __slots__ = ("_left", "_most", "_parts")

    def __init__(self, headers: Mapping[bytes, bytes], most: int = MOST_BYTES) -> None:
        if b"content-encoding" in headers and headers[b"content-encoding"].lower() != b"identity":
            raise BadRequest("The body must not be compressed.")
        length = headers.get(b"content-length", b"")
        if len(length) > 12 or (length.isdigit() and int(length) > most):
            raise _too_large(most)
        self._most = self._left = most
        self._parts: list[bytes] = []

    def add(self, part: bytes) -> None:
        self._left -= len(part)
        if self._left < 0:
            raise _too_large(self._most)
        self._parts.append(part)

    def whole(self) -> bytes:
        return b"".join(self._parts)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"At most {most} bytes are read.")
