"""What goes out over a connection, and when reading from it pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl


class HeadWithBody:
    """What an answer is written to: its head goes out with the first of its body, in one call to the system; nothing
    goes out once the client has gone, whichever of its requests is being answered."""

    __slots__ = ("_head", "_is_held", "_transport", "close", "is_closing")

    def __init__(self, transport: asyncio.Transport, *, has_body: bool) -> None:
        self._transport = transport
        self._is_held = has_body
        self._head = b""
        self.is_closing = transport.is_closing
        self.close = transport.close

    def write(self, data: bytes) -> None:
        if self.is_closing():
            return
        if not self._is_held:
            self._transport.write(data)
        elif self._head:
            self._is_held = False
            self._transport.write(self._head + data)
        elif data.startswith(b"HTTP/1.1 100 "):
            self._transport.write(data)
        else:
            self._head = data


class Flow(FlowControl):
    """Reading pauses while the application says so, and while bytes that were read already wait to be parsed."""

    def __init__(self, transport: asyncio.Transport, go_on: Callable[[], None]) -> None:
        super().__init__(transport)
        self._go_on = go_on
        self.is_holding = False

    def pause_reading(self) -> None:
        if self.is_holding:
            self.read_paused = True
        else:
            super().pause_reading()

    def resume_reading(self) -> None:
        if not self.is_holding:
            super().resume_reading()
        elif self.read_paused:
            self.read_paused = False
            self._go_on()

    def hold(self) -> None:
        if not self.is_holding and not self.read_paused:
            self._transport.pause_reading()
        self.is_holding = True

    def release(self) -> None:
        if self.is_holding and not self.read_paused:
            self._transport.resume_reading()
        self.is_holding = False
