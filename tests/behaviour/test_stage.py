"""What the stage does to requests, asked without a browser."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator

import pytest

from tests.behaviour.stage import COLLECTOR, Call, Hang, Reply, Stage, answer, delay, drop, lose_reply, sign_in_page
from tests.conftest import Process


@pytest.fixture
def stage(collector: tuple[Process, str]) -> Iterator[Stage]:
    with Stage(collector[0].url) as stage:
        yield stage


def ask(stage: Stage, url: str, method: str = "GET", accept: str = "*/*") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(stage.proxy, timeout=20)
    try:
        connection.request(method, url, headers={"Accept": accept})
        reply = connection.getresponse()
        reply.read()
        return reply
    finally:
        connection.close()


ALIVE = COLLECTOR + "/healthz"


def test_collector_is_asked_and_everything_is_written_down(stage: Stage) -> None:
    assert ask(stage, ALIVE).status == 200
    assert ask(stage, "http://elsewhere.example/").status == 404
    assert [(call.method, call.url, call.status) for call in stage.wait_for("*", 2)] == [
        ("GET", ALIVE, 200),
        ("GET", "http://elsewhere.example/", 404),
    ]


def test_tunnels_are_refused(stage: Stage) -> None:
    connection = http.client.HTTPSConnection(stage.proxy, timeout=20)
    connection.set_tunnel("elsewhere.example")
    with pytest.raises(OSError, match="403"):
        connection.request("GET", "/")
    connection.close()
    assert stage.wait_for("*")[0].url == "https://elsewhere.example:443/"


def test_pages_are_what_a_test_says(stage: Stage) -> None:
    stage.pages = lambda call: Reply(201, {"X-Own": "yes"}, call.path) if call.is_page else None
    reply = ask(stage, "http://shop.example/a?b", accept="text/html")
    assert (reply.status, reply.headers["X-Own"]) == (201, "yes")
    assert ask(stage, "http://shop.example/favicon.ico").status == 404


@pytest.mark.parametrize("fault", [drop, lose_reply])
def test_connections_break_until_they_are_healed(stage: Stage, fault: object) -> None:
    stage.on("*/healthz", fault)  # type: ignore[arg-type]
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(stage, ALIVE)
    assert stage.wait_for("*")[0].status is None
    stage.heal()
    assert ask(stage, ALIVE).status == 200


def test_others_answer_so_many_times(stage: Stage) -> None:
    stage.on("*/healthz", answer(429, "{}", Retry_After="7"), times=2)
    first = ask(stage, ALIVE)
    assert (first.status, first.headers["Retry-After"], first.headers["Access-Control-Allow-Origin"]) == (429, "7", "*")
    assert [ask(stage, ALIVE).status for _ in range(2)] == [429, 200]
    stage.on("*", sign_in_page)
    assert ask(stage, ALIVE).headers["Content-Type"] == "text/html"


def test_requests_hang_until_they_are_released(stage: Stage) -> None:
    hang = Hang()
    stage.on("*/healthz", hang)
    found: list[int] = []
    asking = threading.Thread(target=lambda: found.append(ask(stage, ALIVE).status))
    asking.start()
    (call,) = stage.wait_for("*", over=False)
    assert not call.over
    hang.release()
    asking.join(20)
    assert found == [200]


def test_slow_way_takes_its_time(stage: Stage) -> None:
    stage.on("*", delay(0.2))
    began = time.monotonic()
    assert ask(stage, ALIVE).status == 200
    assert time.monotonic() - began >= 0.2


def test_mistakes_in_pages_are_kept_for_the_test(stage: Stage) -> None:
    def mistaken(call: Call) -> Reply:
        raise KeyError(call.url)

    stage.pages = mistaken
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(stage, "http://shop.example/")
    stage.until(lambda: stage.mistakes)
    assert isinstance(stage.mistakes[0], KeyError)
