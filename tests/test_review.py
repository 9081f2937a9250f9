"""What the review finds in a draft, and which patterns lie within others."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from collector.surveys.document import read_document
from collector.surveys.lifecycle import Revision, Survey
from collector.surveys.patterns import Compiled, compile_pattern
from collector.surveys.review import EVERYWHERE, covers, findings_of
from tests.documents import FIRST, THIRD, draft


def live(survey_id: UUID = FIRST, **document: Any) -> Revision:
    read = read_document({"name": "Other", "metric": "csat", "question": "?", **document})
    return Revision(survey_id, "ghijkm", "published", 1, read)


@pytest.mark.parametrize(
    ("wide", "narrow", "within"),
    [
        ("*", "shop.example/a", True),
        ("shop.example", "shop.example/", True),
        ("shop.example/*", "shop.example/order/*", True),
        ("shop.example/order/*", "shop.example/*", False),
        ("/order/*", "shop.example/order/*", True),
        ("shop.example/order/*", "/order/*", False),
        ("*.shop.example", "www.a.shop.example", True),
        ("shop.example/*/a", "shop.example/*/*/a", True),
        ("shop.example/*/*/a", "shop.example/*/a", False),
        ("https://shop.example", "http://shop.example", False),
        ("https://shop.example", "shop.example", False),
        ("/a?x=*", "/a?x=1&y=2", True),
        ("/a?x=1", "/a?x=*", False),
        ("/a?x=1", "/a", False),
        ("/a#b", "/a", False),
        ("/a.b", "/axb", False),
    ],
)
def test_pattern_lies_within_another(wide: str, narrow: str, within: bool) -> None:
    assert covers(compile_pattern(wide), compile_pattern(narrow)) is within
    assert covers(Compiled(), compile_pattern(narrow))


def found(mine: Survey, *others: Revision) -> dict[str, str]:
    """By place, but for what is said of any survey without a place of its own."""
    return {one.at: one.sentence for one in findings_of(mine, others) if one.sentence != EVERYWHERE}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, True),
        ({"where": {"include": ["/a"]}}, False),
        ({"where": {"exclude": ["/a"]}}, False),
        ({"delivery": "link"}, False),
    ],
    ids=str,
)
def test_survey_that_shows_everywhere_says_so(document: dict[str, Any], told: bool) -> None:
    problems = findings_of(draft(**document), [])
    assert [(one.weight, one.at) for one in problems] == ([("mind", "where/include")] if told else [])


def test_survey_as_it_should_be_has_nothing_wrong() -> None:
    assert found(draft()) == {}
    assert found(draft(where={"include": ["/a", "/b*"], "exclude": ["/b/c"]})) == {}


@pytest.mark.parametrize(
    ("document", "at", "said"),
    [
        ({"where": {"exclude": ["*"]}}, "where/exclude", "nowhere"),
        ({"where": {"include": ["/a/b", "/a/c"], "exclude": ["/a/*"]}}, "where/exclude", "nowhere: “/a/*”"),
        ({"where": {"include": ["/a/b", "/c"], "exclude": ["/a/*"]}}, "where/include", "“/a/b” never shows it"),
        ({"email_capture": {}}, "email_capture/consent_text", "not told"),
        ({"appearance": {"color": "#fff", "scheme": "light"}}, "appearance/color", "light card: its contrast is 1.0"),
        ({"appearance": {"color": "#000"}}, "appearance/color", "dark card"),
        ({"frequency": {"unanswered": "always"}}, "frequency/unanswered", "next page"),
        ({"frequency": {"sample_percent": 1}}, "frequency/sample_percent", "1 of 100"),
        ({"thank_you": {"neutral": {"link_text": "More"}}}, "thank_you/neutral/link", "nowhere"),
        (
            {"thank_you": {"neutral": {"heading": "", "body": "", "image": False}}},
            "thank_you/neutral/body",
            "Nothing is left",
        ),
        (
            {"follow_up": {"neutral": "Why?"}, "translations": {"nl": {"question": "?"}}},
            "translations/nl/email_capture/consent_text",
            "2 of the texts you wrote are not translated",
        ),
    ],
)
def test_problem_is_found_at_its_place(document: dict[str, Any], at: str, said: str) -> None:
    problems = found(draft(**document))
    assert set(problems) == {at}
    assert said in problems[at]


ORDER = {"where": {"include": ["/order/*"]}}


@pytest.mark.parametrize(
    ("other", "mine", "kept"),
    [
        ({}, {}, True),
        ({}, ORDER, True),
        (ORDER, {}, False),
        (ORDER, ORDER, True),
        ({}, {"frequency": {"priority": 1}}, False),
        ({"frequency": {"sample_percent": 50}}, {}, False),
        ({"where": {"small_screens": False}}, {}, False),
        ({"where": {"exclude": ["/a"]}}, {}, False),
        ({"when": {"delay_seconds": 5}}, {}, False),
        ({"when": {"delay_seconds": 5}}, {"when": {"delay_seconds": 5}}, True),
        ({"when": {"scroll_percent": 50}}, {"when": {"scroll_percent": 60}}, False),
        ({"delivery": "link"}, {}, False),
        ({}, {"delivery": "link"}, False),
    ],
)
def test_survey_that_comes_first_everywhere_is_named(other: dict[str, Any], mine: dict[str, Any], kept: bool) -> None:
    first = live(**other)
    problems = found(draft(**mine), first)
    assert ("frequency/priority" in problems) is kept
    if kept:
        assert "“Other” comes first" in problems["frequency/priority"]


def test_one_that_came_later_or_is_this_one_keeps_nothing_waiting() -> None:
    mine = draft()
    assert found(mine, live(THIRD)) == {}
    itself = Revision(mine.id, mine.key, "published", 1, mine.document)
    assert found(mine, itself) == {}


def test_the_worst_stands_first() -> None:
    mine = draft(email_capture={}, where={"exclude": ["*"]})
    assert [one.weight for one in findings_of(mine, ())] == ["wrong", "mind"]
