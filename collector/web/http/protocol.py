"""What a connection may cost: uvicorn's HTTP protocol with limits on heads, on time, and on connections.

uvicorn itself bounds neither the size of a head nor the time in which a request must arrive. Both are bounded here,
without a timer per request: each connection notes since when it waits, and one look a second goes over all of them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from collector.errors import BadRequest, HeadersTooLarge, Problem, TargetTooLong, TooSlow
from collector.settings import plain_address
from collector.web.http.direct import Begin, Exchange, FindDirect
from collector.web.http.door import door_of
from collector.web.http.flow import Flow, HeadWithBody
from collector.web.http.heads import fault_of_head
from collector.web.http.limits import share_of
from collector.web.http.packed import Head, problem_answer


class GuardedProtocol(HttpToolsProtocol):
    """Serves as uvicorn's own does, within limits; ``uvicorn.Config(http=GuardedProtocol)``. WebSockets are not served.

    A request beyond a limit is answered with a problem when nothing else is being answered, and its connection is
    closed. Time that a client waits for the application does not count as the client's.
    """

    # In slots, as with them in its dictionary the object would have more than 30 attributes: CPython slows down there.
    __slots__ = (
        "admitted_as",
        "cost",
        "door",
        "head_bytes",
        "held",
        "in_body",
        "is_going_on",
        "peer",
        "receiving_since",
        "refused_since",
        "unread_bytes",
        "unread_since",
    )

    flow: Flow
    MOST_HEAD_BYTES = 16 * 1024
    """Request line and headers in all; as much again of trailers and other framing between two pieces of a body."""
    MOST_HEADERS = 100
    MOST_TARGET_BYTES = 8 * 1024
    RECEIVE_SECONDS = 10.0
    """From the first byte of a request to its last; for the first request, from the opening of the connection."""
    UNREAD_SECONDS = 30.0
    """How long a client may take nothing of an answer that waits for it."""
    LINGER_SECONDS = 2.0
    """How long the rest of a refused request is read and dropped: closing at once would lose the answer to it."""
    PARSED_AT_ONCE = 4 * 1024
    """Bytes. Requests that came together are parsed as far as that and queued; the rest waits as bytes until these are
    answered, and reading pauses. A parsed request takes a hundred times the memory of its bytes."""
    MOST_CONNECTIONS = 10_000
    MOST_PER_ADDRESS = 2_000
    """Connections of one IPv4 address, or of one IPv6 network of 64 bits."""
    MOST_BYTES_PER_ADDRESS = 64 * 1024 * 1024
    """Of memory, in what its connections sent ahead and what they leave unread; one that goes past it is closed."""
    UNREAD_BYTES = 1024 * 1024
    """What a connection costs at most that leaves an answer unread."""
    SWEEP_SECONDS = 1.0

    @staticmethod
    def is_exempt(_address: str, /) -> bool:
        """Whether `MOST_PER_ADDRESS` does not hold for an address, as for that of a proxy."""
        return False

    @staticmethod
    def direct(_method: bytes, _target: bytes, /) -> Begin | None:
        """Whoever answers a request directly, as `FindDirect` has it."""
        return None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.url = b""
        self.headers = []
        self.in_body = False
        """The head of a request is read and its body is not; while False, a `url` tells that a head has begun."""
        self.head_bytes = 0
        """Read since the request began or since the last piece of its body: never less than what the parser holds,
        but for the 16 KiB that may come together with the end of an earlier request."""
        self.receiving_since: float | None = None
        self.refused_since: float | None = None
        self.unread_since: float | None = None
        self.unread_bytes = sys.maxsize
        self.door = door_of(server_state)
        self.admitted_as: str | None = None
        self.peer = ""
        self.held = bytearray()
        """What was read and is not parsed yet, because the answers before it are not taken."""
        self.is_going_on = False
        self.cost = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = Flow(transport, self._go_on)
        if self.client:
            self.client = plain_address(self.client[0]), self.client[1]
            self.peer = self.client[0]
        share = "" if not self.peer or self.is_exempt(self.peer) else share_of(self.peer)
        now = self.loop.time()
        if len(self.connections) > self.MOST_CONNECTIONS or (share and self.door.open[share] >= self.MOST_PER_ADDRESS):
            self.connections.discard(self)
            self.refused_since = now
            transport.abort()
            return
        self.admitted_as = share
        self.door.open[share] += 1
        self.receiving_since = now
        self.door.watch(self.loop, self.SWEEP_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self.held.clear()
        if isinstance(cast("RequestResponseCycle | Exchange | None", self.cycle), Exchange):
            self.cycle = cast("RequestResponseCycle", None)  # it holds the connection
        if self.admitted_as is not None:
            self.door.note_cost(self.admitted_as, -self.cost)
            self.door.leave(self.admitted_as)
            self.admitted_as = None

    # The parser's calls are passed on by naming the class: super() would cost a request half a microsecond.
    def data_received(self, data: bytes) -> None:
        if self.refused_since is not None:
            return
        if len(data) <= self.PARSED_AT_ONCE and not self.held and not self._is_busy():
            self._parse(data)
            return
        self.held += data
        self._note_cost()
        self.flow.hold()
        self._go_on()

    def _is_busy(self) -> bool:
        """Whether what comes next is to wait: for the application, for an answer, or for the client to take one."""
        return self.flow.read_paused or (not self.in_body and (self.flow.write_paused or self._is_answering()))

    def _go_on(self) -> None:
        """Parse more of what is held, after others had their turn."""
        if not self.is_going_on:
            self.is_going_on = True
            self.loop.call_soon(self._parse_held)

    def _parse_held(self) -> None:
        self.is_going_on = False
        if self.transport.is_closing() or self.refused_since is not None or self._is_busy():
            return
        some = bytes(self.held[: self.PARSED_AT_ONCE])
        del self.held[: self.PARSED_AT_ONCE]
        self._note_cost()
        if some:
            self._parse(some)
        if self.held:
            self._go_on()
        else:
            self.flow.release()

    def _parse(self, data: bytes) -> None:
        if self.receiving_since is None:
            self.receiving_since = self.loop.time()
        self.head_bytes += len(data)
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade:
            # The offer may be ignored (RFC 9110, 7.8), but the body stays unread and must not pass for a request.
            self._refuse(BadRequest(), linger=False)
        except HttpParserError as error:
            ours = error.__context__ if isinstance(error.__context__, Problem) else None
            self._refuse(ours or self._oversize() or BadRequest(), linger=True)
        if self.url and self.receiving_since is None:  # the head came together with the end of the request before it
            self.receiving_since = self.loop.time()
        if self.head_bytes > self.MOST_HEAD_BYTES:
            self._refuse(self._oversize() or HeadersTooLarge(), linger=True)

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        if (
            len(self.url) > self.MOST_TARGET_BYTES
            or len(self.headers) > self.MOST_HEADERS
            or self.head_bytes > self.MOST_HEAD_BYTES
        ):
            oversize = self._oversize()
            if oversize:
                raise oversize
        if fault := fault_of_head(self.parser.get_http_version(), self.headers):
            raise fault
        if self.timeout_keep_alive_task is not None:  # of an answer to what came together with this
            self._unset_keepalive_if_required()
        parser = self.parser
        begin = self.direct(parser.get_method(), self.url) if self.admitted_as else None
        if (
            begin is None
            or self.expect_100_continue
            or self._is_answering()
            or self.flow.write_paused
            or parser.get_http_version() != "1.1"
            or not parser.should_keep_alive()
            or parser.should_upgrade()
        ):
            self._begin_as_usual()
        else:
            self.cycle = cast("RequestResponseCycle", Exchange(self, begin, self.headers))
        self.in_body = True
        self.head_bytes = 0
        self.headers = []  # trailers are no headers: the application has its list and does not see it grow

    def _begin_as_usual(self) -> None:
        """By way of a scope and a task. It comes from a proxy, another request is being answered, or it is rare."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        HttpToolsProtocol.on_message_begin(self)  # which makes the scope
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        HttpToolsProtocol.on_headers_complete(self)
        answer = HeadWithBody(self.transport, has_body=self.scope["method"] != "HEAD")
        self.cycle.transport = cast("asyncio.Transport", answer)

    def write_answer(self, head: Head, body: bytes, *, last: bool) -> None:
        """Send a whole answer in one call to the system."""
        length = b"" if head.status == 304 else b"content-length: %d\r\n" % len(body)
        closing = b"connection: close\r\n" if last else b""
        common = self.door.rendered(self.server_state.default_headers)
        self.transport.write(b"".join((STATUS_LINE[head.status], common, head.lines, length, closing, b"\r\n", body)))

    def on_body(self, body: bytes) -> None:
        self.head_bytes = 0
        cycle: RequestResponseCycle | Exchange = self.cycle
        if isinstance(cycle, Exchange):
            cycle.take(body)
        else:
            HttpToolsProtocol.on_body(self, body)

    def on_message_complete(self) -> None:
        self.in_body = False
        self.url = b""
        self.head_bytes = 0
        self.receiving_since = None
        cycle: RequestResponseCycle | Exchange = self.cycle
        if isinstance(cycle, Exchange):
            cycle.end()
        else:
            HttpToolsProtocol.on_message_complete(self)
        if cycle.response_complete and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            # it was answered before its body had arrived, which ended the wait for the next request
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def pause_writing(self) -> None:
        super().pause_writing()
        self.unread_since, self.unread_bytes = self.loop.time(), sys.maxsize
        self._note_cost()

    def _note_cost(self) -> None:
        """Close this connection if it has its address hold up more memory than one may."""
        share = self.admitted_as
        cost = len(self.held) + (self.UNREAD_BYTES if self.flow.write_paused else 0)
        if not share or cost == self.cost:
            return
        grown, self.cost = cost - self.cost, cost
        if self.door.note_cost(share, grown) > self.MOST_BYTES_PER_ADDRESS and grown > 0:
            self.loop.call_soon(self.transport.abort)  # once what is being written is written

    def resume_writing(self) -> None:
        super().resume_writing()
        self.unread_since = None
        self._note_cost()
        if self.held:
            self._go_on()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.held:
            self._go_on()

    def check_deadlines(self, now: float) -> None:
        """Close what has waited too long; called about once in `SWEEP_SECONDS`."""
        self._check_unread(now)
        if self.transport.is_closing():
            return
        if self.refused_since is not None:
            if now - self.refused_since >= self.LINGER_SECONDS and not self._is_answering():
                self.transport.close()
        elif self.receiving_since is not None:
            if self.flow.read_paused or self.flow.is_holding or (self.in_body and self.cycle.waiting_for_100_continue):
                self.receiving_since = now
            elif now - self.receiving_since >= self.RECEIVE_SECONDS and (self.in_body or not self._is_answering()):
                self._refuse(TooSlow(), linger=False)

    def _check_unread(self, now: float) -> None:
        if self.unread_since is None:
            if not self.transport.is_closing():
                return
            self.unread_since, self.unread_bytes = now, sys.maxsize
        waiting = self.transport.get_write_buffer_size()
        if waiting < self.unread_bytes:
            self.unread_since, self.unread_bytes = now, waiting
        elif now - self.unread_since >= self.UNREAD_SECONDS:
            self.transport.abort()

    def _oversize(self) -> Problem | None:
        if len(self.url) > self.MOST_TARGET_BYTES:
            return TargetTooLong(f"At most {self.MOST_TARGET_BYTES} bytes are read.")
        if len(self.headers) > self.MOST_HEADERS:
            return HeadersTooLarge(f"At most {self.MOST_HEADERS} headers are read.")
        if self.head_bytes > self.MOST_HEAD_BYTES:
            # Some of what was read may be of the body already. 14 and 4: blanks, version, colons and line ends.
            known = len(self.parser.get_method()) + len(self.url) + 14
            known += sum(len(name) + len(value) + 4 for name, value in self.headers)
            if known > self.MOST_HEAD_BYTES:
                return HeadersTooLarge(f"At most {self.MOST_HEAD_BYTES} bytes are read.")
        return None

    def _is_answering(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # there is none before the first head
        return cycle is not None and not cycle.response_complete and not cycle.disconnected

    def _refuse(self, problem: Problem, *, linger: bool) -> None:
        """Take nothing more from this client, tell it why when that can be told, and close."""
        if self.refused_since is not None:
            return
        self.refused_since = self.loop.time()
        self.held.clear()
        self.flow.release()
        if not self.in_body and self._is_answering():
            self.cycle.keep_alive = False  # the requests before this one are answered, which closes
            return
        # A connection on which no request has begun, as browsers open them in advance, has nothing to be told.
        unasked = not self.url and isinstance(problem, TooSlow)
        told = not unasked and not (self.in_body and (self.cycle.response_started or self.pipeline))
        if told:
            self.write_answer(*problem_answer(problem), last=True)
        if self._is_answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if told and linger and self.transport.can_write_eof():
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()

    def _should_upgrade(self) -> bool:
        return False


def guarded(*, exempt: Callable[[str], bool], direct: FindDirect) -> type[GuardedProtocol]:
    """The protocol for a server: no share per address for the proxies that ``exempt`` says yes to, and some requests
    answered directly."""
    own = {"is_exempt": staticmethod(exempt), "direct": staticmethod(direct)}
    return type("GuardedProtocol", (GuardedProtocol,), own)
