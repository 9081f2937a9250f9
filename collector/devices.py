"""What a user agent says of a device, and whether a robot sent it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from typing import Any, Literal

LONGEST = 512
"""Characters read of a user agent."""

_ROBOTS = re.compile(
    r"(?<!cu)bot\b|crawler|spider|slurp|headless|lighthouse|pagespeed|phantomjs|puppeteer|playwright|selenium|"
    r"^(curl|wget|python-|python/|go-http|java/|okhttp|node|axios|libwww|ruby|php|perl|httpie|postman|insomnia)|"
    r"\b(monitoring|uptimerobot|pingdom|prerender|facebookexternalhit|embedly|scrapy|node-fetch)\b",
    re.IGNORECASE,
)


_CUBOT = re.compile(r"\bcubot\b", re.IGNORECASE)
"""A maker of telephones that parsers take for a robot."""


@dataclass(frozen=True)
class Device:
    kind: Literal["desktop", "tablet", "phone", "other"]
    browser: str | None
    system: str | None
    robot: bool


@cache
def _parser() -> Callable[[str], Any]:
    """The parser's thousands of patterns, loaded when the first device is read or someone warms up."""
    parse: Callable[[str], Any] = import_module("user_agents").parse
    return parse


def warm_up() -> None:
    """Make the first reading as quick as the next; takes 0.1 s, so do it beside whatever must not wait."""
    _parser()("Mozilla/5.0")


@lru_cache(maxsize=4096)
def read_user_agent(value: str | None) -> Device:
    """Read a User-Agent header; what it does not say is ``other`` or None, and no header at all is a robot's."""
    if not value:
        return Device("other", None, None, robot=True)
    agent = _parser()(value[:LONGEST])
    robot = bool(_ROBOTS.search(value[:LONGEST]) or (agent.is_bot and not _CUBOT.search(value[:LONGEST])))
    kind: Literal["desktop", "tablet", "phone", "other"] = (
        "tablet" if agent.is_tablet else "phone" if agent.is_mobile else "desktop" if agent.is_pc else "other"
    )
    return Device(kind, _known(agent.browser.family), _known(agent.os.family), robot)


def _known(family: str | None) -> str | None:
    return family[:64] if family and family != "Other" else None
