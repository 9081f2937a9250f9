"""What the lists of content blockers would stop of ours, on hosts that are called as such hosts are."""

from __future__ import annotations

import os

import pytest

from collector.web.visitors.routes import SENT_TO
from collector.web.visitors.script import FROZEN_FILES
from tests.blocking import FOLDER, stopped, there

FIRST = (
    *("surveys", "survey", "feedback", "tevreden", "www", "collector", "collect", "stats", "stat", "analytics"),
    *("tracking", "tracker", "track", "metrics", "events", "data", "insights", "telemetry", "log", "beacon", "t"),
)
"""The first labels of hosts that people lead to a collector."""
HOSTS = [f"{first}.shop.example" for first in FIRST]
KEY = "abcdefghjkmn"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not there() and not os.environ.get("CI"), reason=f"no lists in {FOLDER}: install webext-ublock-origin-chromium"
    ),
]


def hits(path: str, kind: str) -> dict[str, list[str]]:
    """The rules that stop a path, by host."""
    found = {
        host: stopped(f"https://{host}{path}", kind, third_party=False)
        + stopped(f"https://{host}{path}", kind, third_party=True)
        for host in HOSTS
    }
    return {host: rules for host, rules in found.items() if rules}


@pytest.mark.parametrize("kind", ["xmlhttprequest", "other"])
def test_no_list_stops_what_is_sent_on_any_host(kind: str) -> None:
    assert hits(f"/w/{KEY}/{SENT_TO[0]}", kind) == {}


def test_no_list_stops_the_script_and_its_files_on_any_host() -> None:
    for path in (f"/w/{KEY}.js", f"/w/{KEY}.js?consent=required&lang=nl", *(f"/w/{name}" for name in FROZEN_FILES)):
        assert hits(path, "script") == {}, path
    assert hits(f"/w/{KEY}.json?format=1", "xmlhttprequest") == {}


def test_rules_are_read_as_blockers_read_them() -> None:
    """The address of earlier scripts is stopped on some hosts, as was seen with the blockers themselves."""
    assert {"collector.shop.example", "stats.shop.example"} <= set(hits(f"/w/{KEY}/events", "xmlhttprequest"))
