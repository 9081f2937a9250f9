"""What the HTTP protocol builds on of uvicorn, which promises none of it: read this before raising uvicorn's bound.

Each failure says what a release of uvicorn no longer has. `collector/web/http/protocol.py`, `flow.py` and `direct.py`
and the server in `collector/run/serving.py` are what to change with it.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import textwrap
from importlib.metadata import requires, version
from typing import Any
from unittest.mock import Mock

import pytest
import uvicorn
from packaging.requirements import Requirement
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from collector.run import serving
from collector.web.http import protocol
from collector.web.http.direct import Exchange
from collector.web.http.flow import Flow
from collector.web.http.protocol import GuardedProtocol
from tests.stores import in_a_loop

SUBCLASSES = [(GuardedProtocol, HttpToolsProtocol), (Flow, FlowControl), (serving._Server, uvicorn.Server)]
REQUEST = b"POST /a?b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"


def connection(app: Any = None) -> HttpToolsProtocol:
    """One of uvicorn's own, opened, over a transport that goes nowhere."""
    config = uvicorn.Config(app or Mock(), interface="asgi3", ws="none", lifespan="off", log_config=None)
    config.load()
    made = HttpToolsProtocol(config, uvicorn.Server(config).server_state, {})
    transport = Mock(spec=asyncio.Transport)
    transport.is_closing.return_value = False
    transport.get_extra_info.side_effect = {"peername": ("192.0.2.1", 1), "sockname": ("192.0.2.2", 2)}.get
    made.connection_made(transport)
    return made


def taken_from(of: str, source: str, known: set[str]) -> set[str]:
    """The attributes of ``of``, as ``self`` or ``self.cycle``, that a source uses and that are not ``known``."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    return {node.attr for node in nodes if ast.unparse(node.value) == of} - known


def own(cls: type, base: type) -> set[str]:
    """What a class adds to its base, in its body or in its slots."""
    return {*vars(cls), *vars(cls).get("__slots__", ())} - set(vars(base))


def test_installed_release_is_within_the_bound() -> None:
    (wanted,) = [one for one in map(Requirement, requires("tevreden") or ()) if one.name == "uvicorn"]
    assert not wanted.extras, "uvicorn's extras bring packages that nothing here uses"
    assert {one.operator for one in wanted.specifier} == {">=", "<"}
    assert wanted.specifier.contains(version("uvicorn"))


@pytest.mark.parametrize(("ours", "base"), SUBCLASSES, ids=lambda one: one.__name__)
def test_what_is_overridden_takes_the_same_arguments(ours: type, base: type) -> None:
    for name in set(vars(ours)) & set(vars(base)):
        theirs = getattr(base, name)
        if callable(theirs) and not name.startswith("__"):
            assert _arguments(getattr(ours, name)) == _arguments(theirs), name


def _arguments(function: Any) -> list[str]:
    return list(inspect.signature(inspect.unwrap(function)).parameters)


def test_methods_that_replace_uvicorns_are_there_to_be_replaced() -> None:
    of_connection = {
        *("connection_made", "connection_lost", "data_received", "pause_writing", "resume_writing"),
        *("on_message_begin", "on_headers_complete", "on_body", "on_message_complete", "on_response_complete"),
        *("_should_upgrade", "timeout_keep_alive_handler", "shutdown"),
    }
    assert of_connection <= set(vars(HttpToolsProtocol))
    assert {"pause_reading", "resume_reading"} <= set(vars(FlowControl))
    assert {"capture_signals", "handle_exit", "serve"} <= set(dir(uvicorn.Server))
    assert "__slots__" not in vars(HttpToolsProtocol), "its instances have a dictionary beside our slots"


async def _connection_in_a_request() -> HttpToolsProtocol:
    made = connection(asyncio.sleep)
    made.parser.feed_data(REQUEST[:-2])
    return made


@pytest.fixture(scope="module")
def in_a_request() -> HttpToolsProtocol:
    return in_a_loop(_connection_in_a_request)


ASKED_OF_CONNECTION = taken_from("self", inspect.getsource(GuardedProtocol), own(GuardedProtocol, HttpToolsProtocol))
ASKED_OF_FLOW = taken_from("self", inspect.getsource(Flow), own(Flow, FlowControl) | {"_go_on", "is_holding"})


@pytest.mark.parametrize("name", sorted(ASKED_OF_CONNECTION))
def test_connection_has(name: str, in_a_request: HttpToolsProtocol) -> None:
    assert hasattr(in_a_request, name)


@pytest.mark.parametrize("name", sorted(ASKED_OF_FLOW))
def test_flow_has(name: str, in_a_request: HttpToolsProtocol) -> None:
    assert hasattr(in_a_request.flow, name)


def test_cycle_has_what_is_asked_of_it(in_a_request: HttpToolsProtocol) -> None:
    source = inspect.getsource(protocol)
    used = taken_from("self.cycle", source, set()) | taken_from("cycle", source, {"take", "end"})
    assert {"response_complete", "message_event", "transport"} <= used
    for name in used:
        assert hasattr(in_a_request.cycle, name), name


def test_exchange_stands_in_for_a_cycle_in_all_that_uvicorn_asks() -> None:
    """In the methods that still run while a request is answered directly."""
    still_run = ("connection_lost", "on_response_complete", "shutdown")
    used = set[str]()
    for name in still_run:
        source = textwrap.dedent(inspect.getsource(getattr(HttpToolsProtocol, name)))
        used |= taken_from("self.cycle", source, set())
    assert {"response_complete", "disconnected", "message_event", "keep_alive"} <= used
    for attribute in used:
        assert hasattr(Exchange, attribute), attribute


def test_opening_a_connection_counts_it_and_says_whose_it_is() -> None:
    async def run() -> None:
        made = connection()
        assert made in made.server_state.connections
        assert made.connections is made.server_state.connections
        assert made.client == ("192.0.2.1", 1)
        assert type(made.flow) is FlowControl
        assert (made.flow.read_paused, made.flow.write_paused) == (False, False)

    in_a_loop(run)


def test_request_is_read_into_the_places_that_we_look_at() -> None:
    async def run() -> None:
        made = connection(asyncio.sleep)
        made.parser.feed_data(REQUEST[:-2])
        assert made.url == b"/a?b"
        assert made.headers[0] == (b"host", b"x")
        assert made.scope["headers"] is made.headers
        assert made.expect_100_continue
        cycle = made.cycle
        assert type(cycle) is RequestResponseCycle
        assert (cycle.waiting_for_100_continue, cycle.response_started, cycle.response_complete) == (True, False, False)
        assert cycle.transport is made.transport, "what goes out is written to the cycle's own transport"
        made.parser.feed_data(b"hi")
        assert cycle.message_event.is_set()

    in_a_loop(run)


def test_end_of_an_answer_begins_the_wait_for_the_next_request() -> None:
    async def run() -> None:
        made = connection(asyncio.sleep)
        made.parser.feed_data(REQUEST)
        assert made.timeout_keep_alive_task is None
        made.on_response_complete()
        assert isinstance(made.timeout_keep_alive_task, asyncio.TimerHandle)
        made._unset_keepalive_if_required()
        assert made.timeout_keep_alive_task is None

    in_a_loop(run)


def test_status_lines_are_whole() -> None:
    assert STATUS_LINE[200] == b"HTTP/1.1 200 OK\r\n"
    assert set(range(200, 600)) <= set(STATUS_LINE)


def test_common_headers_are_a_new_list_when_they_change() -> None:
    async def run() -> None:
        config = uvicorn.Config(Mock(), log_config=None)
        config.load()
        server = uvicorn.Server(config)
        await server.on_tick(0)
        first = server.server_state.default_headers
        await server.on_tick(10)
        assert server.server_state.default_headers is not first
        assert [name for name, _ in first] == [b"date", b"server"]

    in_a_loop(run)


def test_loop_is_uvloop() -> None:
    assert uvicorn.Config(app="").get_loop_factory().__module__.startswith("uvloop")


def test_sources_that_use_what_is_not_there_are_found() -> None:
    assert taken_from("self", "self.gone + self.cycle.body", {"cycle"}) == {"gone"}
    assert taken_from("self.cycle", "self.cycle.body", set()) == {"body"}
