"""What is read from a user agent."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import pytest

from collector.responses import devices
from collector.responses.devices import LONGEST, MOST_READINGS, read_user_agent
from tests.conftest import CONTRACT, PERSON

TABLE = json.loads((CONTRACT / "user_agents.json").read_text("utf-8"))

ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/150.0.0.0 Mobile Safari/537.36"
IPAD = "Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) AppleWebKit/605.1.15 Version/12.1 Mobile/15E148 Safari/604.1"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.mark.parametrize(
    ("agent", "kind", "browser", "system"),
    [
        (PERSON, "desktop", "Chrome", "Linux"),
        (ANDROID, "phone", "Chrome Mobile", "Android"),
        (IPAD, "tablet", "Mobile Safari", "iOS"),
        (FIREFOX, "desktop", "Firefox", "Windows"),
        (
            "Mozilla/5.0 (Linux; Android 11; CUBOT P40) Chrome/150.0 Mobile Safari/537.36",
            "phone",
            "Chrome",
            "Android",
        ),
    ],
)
def test_people_are_read(agent: str, kind: str, browser: str | None, system: str | None) -> None:
    device = read_user_agent(agent)
    assert (device.kind, device.browser, device.system, device.robot) == (kind, browser, system, False)


@pytest.mark.parametrize(
    "agent",
    [
        None,
        "",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/150.0 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 11) Chrome/109.0 Mobile Safari/537.36 Chrome-Lighthouse",
        "curl/8.5.0",
        "python-requests/2.32",
        "python-httpx/0.28",
        "Go-http-client/2.0",
        "facebookexternalhit/1.1",
        "something else entirely",
        " ",
    ],
)
def test_robots_are_known(agent: str | None) -> None:
    assert read_user_agent(agent).robot


def test_endless_agent_is_read_no_further_than_its_limit() -> None:
    assert read_user_agent("x" * 512 + "curl" * 10_000).kind == "other"


@pytest.mark.parametrize("agent", TABLE["robots"])
def test_named_robot_is_a_robot(agent: str) -> None:
    assert read_user_agent(agent).robot


@pytest.mark.parametrize("agent", TABLE["people"])
def test_device_of_a_person_is_no_robot(agent: str) -> None:
    assert not read_user_agent(agent).robot


def test_robots_that_cannot_be_told_are_few() -> None:
    """Of those in public lists; what such a robot sends is what some person's app sends, word for word."""
    assert len(TABLE["robots_that_look_like_people"]) < 0.05 * len(TABLE["robots"])


@pytest.mark.parametrize("template", ["(Linux; Android 11; {})", "(Linux; U; Android 7.0; de-de; {} Build/NRD90M)"])
@pytest.mark.parametrize("model", ["M bot 54", "C Bot Tab 70", "VR BOT 552", "Spider 8", "CUBOT", "Crawler (4)"])
def test_telephone_that_is_called_a_robot_is_a_telephone(template: str, model: str) -> None:
    device = template.format(model)
    agent = f"Mozilla/5.0 {device} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36"
    assert (read_user_agent(agent).robot, read_user_agent(agent).system) == (False, "Android")
    assert read_user_agent(f"{agent} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)").robot


HOSTILE = [
    *("a" * LONGEST, "(" * LONGEST, "Mozilla/5.0 (Linux; Android " + "(" * LONGEST, "bot_x " * 90, "http" * 128),
    *("a." * 256, "; a" * 170, "-_" * 256, "1." * 256, "Linux Android Mobile " * 24, "Chrome/1.1." * 40),
    "ort/perl time google scan bot http news .com 1.0 " * 10,
    "Mozilla/5.0 (" + "x/1.0 " * 80,
]


def cost(agents: Sequence[str]) -> list[float]:
    """Seconds of processor that reading each takes when it was not seen before; the best of three."""

    def once(agent: str) -> float:
        begun = time.process_time()
        devices._read.__wrapped__(agent[:LONGEST])
        return time.process_time() - begun

    return [min(once(agent) for _ in range(3)) for agent in agents]


def test_unseen_user_agent_costs_little_and_a_hostile_one_not_much_more() -> None:
    known = cost([*TABLE["robots"], *TABLE["people"]])
    assert sum(known) / len(known) < 120e-6  # some 35 µs on a quiet machine
    assert max(cost(HOSTILE)) < 2e-3  # some 0.2 ms


def test_readings_are_bounded_in_number_and_bytes() -> None:
    for number in range(MOST_READINGS + 100):
        read_user_agent(f"Mozilla/5.0 {number} " + "x" * 60_000)
    kept = devices._read.cache_info()
    assert kept.currsize == kept.maxsize == MOST_READINGS
    assert MOST_READINGS * LONGEST <= 2 * 2**20
    devices._read.cache_clear()
