"""What is read from a user agent."""

from __future__ import annotations

import pytest

from collector.devices import read_user_agent
from tests.conftest import PERSON

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
        ("something else entirely", "other", None, None),
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
    ],
)
def test_robots_are_known(agent: str | None) -> None:
    assert read_user_agent(agent).robot


def test_endless_agent_is_read_no_further_than_its_limit() -> None:
    assert read_user_agent("x" * 512 + "curl" * 10_000).kind == "other"
