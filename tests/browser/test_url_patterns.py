"""Every row of the table of URL patterns, on real addresses, against the built file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.conftest import Visit
from tests.conftest import CONTRACT

PATTERNS = json.loads((CONTRACT / "url_patterns.json").read_text("utf-8"))["patterns"]


@pytest.mark.parametrize("case", PATTERNS, ids=lambda case: case["pattern"])
def test_survey_shows_where_its_pattern_matches(visit: Visit, case: dict[str, Any]) -> None:
    visit.site.publish(where={"include": [case["pattern"]]}, frequency={"unanswered": "always"})
    for url in case["misses"]:
        _leave(visit, url)
        visit.open(url).expect_not_shown(because="page")
    for url in case["matches"]:
        _leave(visit, url)
        visit.open(url).expect_shown()


def _leave(visit: Visit, url: str) -> None:
    """A change of fragment alone would not load the page again."""
    if visit.page.url.split("#")[0] == url.split("#", maxsplit=1)[0]:
        visit.page.goto("about:blank")


def test_excluded_page_wins_over_an_included_one(visit: Visit) -> None:
    visit.site.publish(where={"include": ["shop.example/*"], "exclude": ["shop.example/checkout/*", "/login"]})
    visit.open("http://shop.example/checkout/pay").expect_not_shown(because="excluded")
    visit.open("http://shop.example/login").expect_not_shown(because="excluded")
    visit.open("http://shop.example/plants").expect_shown()


def test_any_of_several_includes_is_enough(visit: Visit) -> None:
    visit.site.publish(where={"include": ["/a", "/b/*"]})
    visit.open("http://shop.example/c").expect_not_shown(because="page")
    visit.open("http://shop.example/b/1").expect_shown()


def test_no_include_means_every_page(visit: Visit) -> None:
    visit.site.publish(where={"exclude": ["/private/*"]})
    visit.open("http://shop.example/private/").expect_not_shown(because="excluded")
    visit.open("http://shop.example/anything?x=1").expect_shown()
