"""The results: periods, comparison, trend, breakdowns, the stream of responses, one by itself, and the files."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert
from starlette.datastructures import QueryParams

from collector.access.sites import only_site, site_by_key
from collector.db.schema import rollups
from collector.responses.reading import Filter, list_responses
from collector.responses.rollups import ALWAYS, Span, Total
from collector.results import exports
from collector.results.figures import Point, Trend, trend
from collector.surveys.lifecycle import Survey, get_survey
from collector.surveys.metrics import Metric, figure, interval
from collector.web.admin import responses as admin_responses
from collector.web.admin import results as admin_results
from collector.web.admin.figures import PLOT, chart, share, show_change, show_figure, show_interval, spark
from collector.web.admin.results import STOP_POLLING
from collector.web.admin.view import read_view
from tests.conftest import App, add_site
from tests.documents import draft
from tests.editor import SCRIPT
from tests.events import impression, response
from tests.pages import comments, plain
from tests.services import in_app, services_of
from tests.stores import number_of

TODAY = date(2026, 3, 31)


# ---- how sure a figure is


@pytest.mark.parametrize(
    ("metric", "counts", "low", "high"),
    [
        ("csat", {5: 8, 1: 2}, 45.65, 97.37),
        ("csat", {5: 10}, 71.45, 100.0),
        ("csat", {1: 1}, 0.0, 96.53),
        ("csat", {5: 750, 1: 250}, 72.25, 77.62),  # Wilson's score interval is 72.2 to 77.6
        ("nps", {10: 50, 8: 30, 0: 20}, 13.96, 44.85),
        ("nps", {10: 1}, -93.06, 100.0),
        ("ces", {7: 10, 5: 10}, 5.42, 6.43),
        ("ces", {6: 4}, 3.16, 6.57),
    ],
)
def test_interval_is_steady(metric: Metric, counts: dict[int, int], low: float, high: float) -> None:
    found = interval(metric, 11 if metric == "nps" else 5 if metric == "csat" else 7, counts)
    assert found == pytest.approx((low, high), abs=0.006)


def test_too_few_answers_have_no_interval() -> None:
    assert interval("csat", 5, {}) is None
    assert interval("ces", 7, {7: 3}) is None
    assert interval("ces", 7, {7: 3, 1: 1}) is not None


@pytest.mark.parametrize("metric", ["csat", "nps", "ces"])
def test_interval_holds_the_figure_and_narrows(metric: Metric) -> None:
    points = {"csat": 5, "nps": 11, "ces": 7}[metric]
    width = 1000.0
    for times in (1, 4, 25, 400):
        counts = {1: 2 * times, 3: times, 5: 3 * times}
        found = interval(metric, points, counts)
        value = figure(metric, points, counts).value
        assert found is not None
        assert value is not None
        low, high = found
        assert low <= value <= high
        assert high - low < width
        width = high - low


# ---- periods and what is drawn


@pytest.mark.parametrize(
    ("query", "period", "span"),
    [
        ("", "30", Span(date(2026, 3, 2), TODAY)),
        ("period=7", "7", Span(date(2026, 3, 25), TODAY)),
        ("period=all", "all", ALWAYS),
        ("period=never", "30", Span(date(2026, 3, 2), TODAY)),
        ("from=2026-01-01&to=2026-01-31", "custom", Span(date(2026, 1, 1), date(2026, 1, 31))),
        ("from=2026-01-31&to=2026-01-01", "custom", Span(date(2026, 1, 1), date(2026, 1, 31))),
        ("from=2026-01-01", "custom", Span(date(2026, 1, 1), TODAY)),
        ("from=2026-01-01&to=8999-12-31", "custom", Span(date(2026, 1, 1), TODAY)),
        ("from=8999-12-31", "custom", Span(TODAY, TODAY)),
        ("to=2026-01-31", "custom", Span(None, date(2026, 1, 31))),
        ("from=soon&to=0001-01-01", "30", Span(date(2026, 3, 2), TODAY)),
    ],
)
def test_period_is_what_the_address_says(query: str, period: str, span: Span) -> None:
    view = read_view(QueryParams(query), TODAY)
    assert (view.period, view.span) == (period, span)
    assert bool(view.wrong) == ("never" in query or "soon" in query), "what it can't mean is told"
    assert read_view(QueryParams(view.query()), TODAY) == replace(view, wrong=()), "its own address leads back to it"


def test_filter_that_means_nothing_is_told() -> None:
    view = read_view(QueryParams("group=angry&words=%00&commented=yes&score=x&revision=1a&survey=7"), TODAY)
    assert (view.group, view.words, view.commented, view.score, view.values) == (None, None, True, None, None)
    assert [one.split("”")[0].strip("“") for one in view.wrong] == ["angry", "x", "1a", "No survey has this id."]
    assert len(read_view(QueryParams("words=" + "x" * 999), TODAY).words or "") == 200


def total(**scores: int) -> Total:
    return Total(impressions=10, scores={int(name[1:]): people for name, people in scores.items()})


def test_trend_is_by_day_by_week_or_by_month() -> None:
    mine: Survey = draft()
    days = {date(2026, 1, 1): total(_5=30), date(2026, 1, 2): total(_1=30), date(2026, 3, 2): total(_5=3)}
    by_day = trend(mine, days, Span(date(2026, 1, 1), date(2026, 1, 3)))
    assert (by_day.step, by_day.window) == ("day", 1)
    assert [(one.name, one.figure.value) for one in by_day.points] == [
        ("2026-01-01", 100.0),
        ("2026-01-02", 0.0),
        ("2026-01-03", None),
    ]
    by_week = trend(mine, days, Span(date(2025, 11, 1), date(2026, 3, 2)))
    assert (by_week.step, by_week.window) == ("week", None)
    assert (by_week.points[9].name, by_week.points[9].figure.total, by_week.points[9].shown) == ("2025-12-29", 60, 20)
    assert (by_week.points[-1].name, by_week.points[-1].figure.value) == ("2026-03-02", 100.0)
    by_month = trend(mine, days, Span(date(2025, 4, 1), date(2026, 3, 31)))
    assert (by_month.step, len(by_month.points)) == ("month", 12)
    assert [one.alone for one in by_month.points[-3:]] == [60, 0, 3]
    assert len(trend(mine, days, ALWAYS).points) == 61, "from the first day to the last"
    assert trend(mine, {}, ALWAYS).points == []


@pytest.mark.parametrize(("a_day", "window"), [(20, 1), (19, 7), (3, 7), (2, 14), (1, 28), (0, 1)])
def test_point_of_a_trend_has_some_twenty_answers(a_day: int, window: int) -> None:
    first = date(2026, 1, 1)
    days = {first + timedelta(days=number): total(_5=a_day) for number in range(60)} if a_day else {}
    found = trend(draft(), days, Span(first + timedelta(days=30), first + timedelta(days=59)))
    assert found.window == window
    assert {(one.alone, one.figure.total) for one in found.points} <= {(a_day, a_day * window)}, "days before the span"


def points(*values: float | None) -> Trend:
    found = []
    for number, value in enumerate(values):
        people = {} if value is None else {5: round(value), 1: 100 - round(value)}
        day = (date(2026, 1, 1) + timedelta(days=number)).isoformat()
        found.append(Point(day, figure("csat", 5, people), interval("csat", 5, people), 0, alone=number))
    return Trend(found, "day", 1)


def test_chart_breaks_where_there_is_nothing() -> None:
    drawn = chart("csat", points(50, 60, None, 70))
    assert drawn.lines.count("M") == drawn.bands.count("M") == 2
    assert drawn.good == (PLOT * 0.15, PLOT * 0.1)
    assert [text for text, _ in drawn.ticks] == ["100 %", "75 %", "50 %", "25 %", "0 %"]
    assert chart("csat", points()).lines == chart("csat", points(None)).lines == ""
    numbers = [float(one) for one in re.findall(r"-?[\d.]+", drawn.lines + drawn.bands)]
    assert max(numbers) <= 1000
    assert chart("nps", points()).good is None
    assert [mark.top for mark in drawn.marks] == [48.0, 32.0, 16.0, 0.0], "bars, from the top"


def test_chart_has_the_period_before_behind_it_place_by_place() -> None:
    drawn = chart("csat", points(50, 60, None, 70), points(20, None, 40, 80))
    assert [mark.earlier.figure.value if mark.earlier else None for mark in drawn.marks] == [20, None, 40, 80]
    assert drawn.earlier.count("M") == 2, "broken where there is nothing"
    heights = [PLOT * (100 - value) / 100 for value in (20, 40, 80)]
    assert [float(one) for one in re.findall(r"[ML]-?[\d.]+ ([\d.]+)", drawn.earlier)] == heights
    assert chart("csat", points(50, 60), points(20)).marks[1].earlier is None
    assert chart("csat", points(50), points(20, 30)).marks[0].earlier is not None
    assert chart("csat", points(50)).earlier == ""


def test_interval_is_written_with_its_unit_once() -> None:
    csat, nps, ces = figure("csat", 5, {5: 1}), figure("nps", 11, {9: 1}), figure("ces", 7, {7: 1})
    assert show_interval(csat, (40.2, 59.9)) == "40–60 %"
    assert show_interval(csat, (0.0, 99.8)) == "0–99.8 %"
    assert show_interval(nps, (-40.2, 9.9)) == "−40 to +10"
    assert show_interval(ces, (4.02, 5.99)) == "4.0–6.0"
    assert show_interval(csat, None) == ""


def shown(metric: Metric, **people: int) -> str:
    counts = {int(name[1:]): count for name, count in people.items()}
    return show_figure(figure(metric, {"csat": 5, "nps": 11, "ces": 7}[metric], counts))


def test_figures_are_rounded_as_people_read_them() -> None:
    assert shown("nps", _10=100, _8=199, _0=101) == "0", "nought has no sign"
    assert shown("nps", _10=101, _8=199, _0=100) == "0"
    assert shown("nps", _8=1) == "0"
    assert (shown("nps", _10=1), shown("nps", _0=1)) == ("+100", "−100")
    assert (shown("nps", _10=399, _8=1), shown("nps", _0=399, _8=1)) == ("+99.8", "−99.8")
    assert (shown("nps", _10=1, _8=199), shown("nps", _0=1, _8=199)) == ("+1", "−1"), "halves go the same way"
    assert (shown("csat", _5=299, _1=1), shown("csat", _5=1, _1=299)) == ("99.7 %", "0.3 %")
    assert (shown("csat", _5=10**6 - 1, _1=1), shown("csat", _5=1, _1=10**6)) == ("99.9 %", "0.1 %")
    assert (shown("csat", _5=7), shown("csat", _1=7)) == ("100 %", "0 %")
    assert (shown("csat", _5=33, _1=7), shown("csat", _5=167, _1=33)) == ("83 %", "84 %")
    assert (shown("csat", _5=1, _1=7), shown("csat", _5=3, _1=5)) == ("13 %", "38 %")
    assert (shown("ces", _7=199, _6=1), shown("ces", _7=3), shown("ces", _1=9999, _2=1)) == ("6.99", "7.0", "1.01")
    assert (shown("ces", _6=3, _5=1), shown("ces", _6=1, _5=3)) == ("5.8", "5.3")


def test_every_share_of_every_small_number_is_rounded_the_same_way() -> None:
    for whole in range(1, 101):
        for part in range(whole + 1):
            found = shown("csat", _5=part, _1=whole - part)
            assert found == share(part, whole)
            assert (found == "100 %", found == "0 %") == (part == whole, part == 0)
            assert abs(float(found.removesuffix(" %")) - 100 * part / whole) <= 0.5
            if (200 * part) % (2 * whole) == whole:
                assert float(found.removesuffix(" %")) > 100 * part / whole, "halves up"
    assert (share(3, 0), share(3, 2), share(0, 0)) == ("", "", "")


def test_change_never_contradicts_the_figures() -> None:
    before = figure("ces", 7, {7: 10**7, 6: 10**7})
    now = figure("ces", 7, {7: 10**7, 6: 10**7 + 10**5})
    assert show_figure(before) == show_figure(now)
    assert show_change(before, now, True) == "Down, by less than these figures show: a significant change."
    assert show_change(figure("csat", 5, {5: 1}), figure("csat", 5, {1: 9}), True) == "Down: a significant change."
    assert show_change(now, before, False) == "No significant change."
    assert show_change(now, before, None) == "Too few answers to compare."


def test_spark_has_a_bar_for_each_day_with_answers() -> None:
    drawn = spark({TODAY: 10, TODAY - timedelta(days=29): 1, TODAY - timedelta(days=30): 99}, TODAY)
    assert drawn == "M0 24v-2.4h4V24zM145 24v-24.0h4V24z"
    assert spark({}, TODAY) == ""


# ---- the pages


def count(owner: App, survey: dict[str, Any], days: Mapping[int, dict[int, int]]) -> None:
    """Put scores into the sums of days ago."""
    today = datetime.now(UTC).date()

    async def add() -> None:
        async with services_of(owner).database.write() as connection:
            site = await site_by_key(connection, owner.site.key)
            common = {"site_id": site.id, "survey_number": await number_of(connection, survey), "lane": 0, "value": "1"}
            for ago, scores in days.items():
                values = {f"score_{score}": people for score, people in scores.items()}
                rows = [
                    {**common, "dimension": name, "day": today - timedelta(days=ago), **values}
                    for name in ("revision", "page", "device", "language")
                ]
                await connection.execute(insert(rollups), rows)

    in_app(owner, add)


def test_period_is_compared_with_the_one_before(owner: App) -> None:
    survey = owner.site.publish()
    page = f"/admin/{owner.site.key}/{survey['id']}"
    count(owner, survey, {0: {5: 90, 1: 10}, 40: {5: 50, 1: 50}, 400: {5: 1}})
    text = plain(owner.client.get(page).text)
    assert "90 %" in text
    assert "Before: 50 % of 100" in text
    assert "Up: a significant change." in text
    assert "up 40 pts" in text
    assert "95 % confidence interval: 83–95 %" in text
    text = plain(owner.client.get(f"{page}?period=365").text)
    assert "Responses 200" in text
    assert "Too few answers to compare." in text
    text = plain(owner.client.get(f"{page}?period=all").text)
    assert "Responses 201" in text
    assert "Before:" not in text
    assert "Before:" not in plain(owner.client.get(f"{page}?period=7").text)
    day = (datetime.now(UTC).date() - timedelta(days=40)).isoformat()
    assert "Responses 100" in plain(owner.client.get(f"{page}?from={day}&to={day}").text)


def test_breakdowns_have_every_page_device_language_and_revision(owner: App) -> None:
    survey = owner.site.publish()
    owner.send(response(survey, score=5, page="https://shop.example/order/17", language="en"))
    owner.send(response(survey, score=1, page="https://shop.example/", language=None))
    page = f"/admin/{owner.site.key}/{survey['id']}"
    for by, wanted in (
        ("page", ("shop.example/order/*", "shop.example/")),
        ("language", ("English", "Not known")),
        ("device", ("Desktop",)),
        ("revision", ("Revision 1",)),
    ):
        found = dict(parts_of(owner.client.get(f"{page}?by={by}").text))
        assert found == dict.fromkeys(wanted, 2 // len(wanted)), by


def test_row_of_a_breakdown_filters_everything_above(owner: App) -> None:
    survey = owner.site.publish()
    owner.send(*(response(survey, score=5, page="https://shop.example/a", comment="x") for _ in range(12)))
    owner.send(*(response(survey, score=1, page="https://shop.example/b") for _ in range(12)))
    page = f"/admin/{owner.site.key}/{survey['id']}"
    text = owner.client.get(page).text
    assert "CSAT 50 %" in plain(text)
    (chosen,) = re.findall(r'class="name name--plain" href="([^"]*)">shop.example/a<', text)
    narrowed = owner.client.get(chosen.replace("&amp;", "&")).text
    said = plain(narrowed)
    for wanted in ("CSAT 100 %", "Responses 12", "12 of 12 responses", "Very satisfied 12 100 %"):
        assert wanted in said, wanted
    (cleared,) = re.findall(r'class="name name--plain" href="([^"]*)">shop.example/a<', narrowed)
    assert "CSAT 50 %" in plain(owner.client.get(cleared.replace("&amp;", "&")).text)
    listed = owner.client.get(f"{page}/responses?page=shop.example/b").text
    assert listed.count('class="badge badge--negative"') == 12


def parts_of(text: str) -> list[tuple[str, int]]:
    """The lines of the breakdown with their answers."""
    table = text.partition('id="breakdown"')[2]
    rows = re.findall(r'<th scope="row" class="part">(.*?)</th>(.*?)</tr>', table, re.DOTALL)
    return [(plain(name.split("<span")[0]).strip(), int(plain(row).split(" of ")[0].split()[-2])) for name, row in rows]


def count_pages(owner: App, survey: dict[str, Any], pages: Mapping[str, int]) -> None:
    today = datetime.now(UTC).date()

    async def add() -> None:
        async with services_of(owner).database.write() as connection:
            site = await site_by_key(connection, owner.site.key)
            common = {"site_id": site.id, "survey_number": await number_of(connection, survey), "lane": 0, "day": today}
            rows = [{**common, "dimension": "page", "value": one, "score_5": count} for one, count in pages.items()]
            rows.append({**common, "dimension": "revision", "value": "1", "score_5": sum(pages.values())})
            await connection.execute(insert(rollups), rows)

    in_app(owner, add)


@pytest.mark.parametrize(
    ("pages", "last"),
    [
        ({f"shop.example/{number}": 34 - number for number in range(34)}, ("14 other pages", 105)),
        ({f"shop.example/{number}": 34 - number for number in range(34)} | {"": 99}, ("All other pages", 204)),
        ({f"shop.example/{number}": 34 - number for number in range(21)}, ("shop.example/20", 14)),
        ({f"shop.example/{number}": 34 - number for number in range(20)}, ("shop.example/19", 15)),
        ({"shop.example/": 5, "": 9}, ("shop.example/", 5)),
    ],
)
def test_pages_beyond_the_twentieth_stand_together(owner: App, pages: dict[str, int], last: tuple[str, int]) -> None:
    survey = owner.site.publish()
    count_pages(owner, survey, pages)
    parts = parts_of(owner.client.get(f"/admin/{owner.site.key}/{survey['id']}").text)
    assert parts[-1] == last
    assert sum(answers for _, answers in parts) == sum(pages.values())
    assert len({name for name, _ in parts}) == len(parts) <= 21


def test_one_answer_is_one_answer(owner: App) -> None:
    survey = owner.site.publish()
    owner.send(response(survey, score=5))
    text = plain(owner.client.get(f"/admin/{owner.site.key}/{survey['id']}").text)
    assert "1 response " in text
    assert "1 responses" not in text
    assert "1 responses" not in plain(owner.client.get(f"/admin/{owner.site.key}").text)


def test_responses_are_found_by_words_group_and_comment(owner: App) -> None:
    survey = owner.site.publish()
    page = f"/admin/{owner.site.key}/{survey['id']}/responses"
    for score, comment in ((5, "Lovely Shop"), (1, "slow shop"), (1, "100 % late"), (3, None), (1, "100 days")):
        owner.send(response(survey, score=score, comment=comment))
    owner.send(response(survey, score=1, comment="robot shop", automated=True))
    assert comments(owner.client.get(page).text) == ["100 days", "100 % late", "slow shop", "Lovely Shop"]
    assert comments(owner.client.get(f"{page}?words=SHOP").text) == ["slow shop", "Lovely Shop"]
    assert comments(owner.client.get(f"{page}?words=100+%25").text) == ["100 % late"]
    assert comments(owner.client.get(f"{page}?words=shop&group=negative").text) == ["slow shop"]
    assert owner.client.get(page).text.count('class="badge ') == 5
    assert owner.client.get(f"{page}?commented=yes").text.count('class="badge ') == 4
    nothing = owner.client.get(f"{page}?words=nowhere").text
    assert "No response in this period is like that" in nothing
    assert 'value="nowhere"' in nothing


def test_stream_goes_on_to_earlier_ones(owner: App) -> None:
    survey = owner.site.publish()
    page = f"/admin/{owner.site.key}/{survey['id']}/responses"
    for start in (0, 30):
        owner.send(*(response(survey, comment=f"Number {start + number}") for number in range(30)))
    first = owner.client.get(f"{page}?group=positive").text
    (earlier,) = re.findall(r'href="([^"]*cursor[^"]*)">Older<', first)
    assert "group=positive" in earlier
    second = owner.client.get(earlier.replace("&amp;", "&")).text
    assert len(comments(first)) == 50
    assert len(comments(second)) == 10
    assert sorted(comments(first) + comments(second)) == sorted(f"Number {number}" for number in range(60))
    assert 'id="news"' not in second, "what is new belongs at the top of the first"


def test_search_goes_so_far_back_at_once_and_on_from_there(owner: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_responses, "LOOKED_THROUGH", 4)
    survey = owner.site.publish()
    page = f"/admin/{owner.site.key}/{survey['id']}/responses"
    said = ["needle 1", "hay", "hay", "hay", "hay", "hay", "needle 2", "needle 3", "hay", "hay"]
    for comment in said:
        owner.send(response(survey, comment=comment))
    found, address = [], f"{page}?words=needle"
    for _ in range(3):
        text = owner.client.get(address).text
        found.append(comments(text))
        further = re.findall(r'href="([^"]*cursor[^"]*)">Search further back', text)
        address = further[0].replace("&amp;", "&") if further else ""
        assert ("Searched back to" in text) is bool(further)
    assert (found, address) == ([["needle 3", "needle 2"], [], ["needle 1"]], "")


@pytest.mark.parametrize("look_through", [9, 20, 33, 1000])
def test_page_is_the_same_whether_it_lies_near_or_far_back(owner: App, look_through: int) -> None:
    survey = owner.site.publish()
    unhappy = {0, 1, 2, 9, 10, 25, 39}
    for number in range(40):
        owner.send(response(survey, score=1 if number in unhappy else 5, comment=f"n{number}"))

    async def page_through() -> list[str]:
        found: list[str] = []
        async with services_of(owner).database.read() as connection:
            site = (await only_site(connection)).id
            wanted, cursor = Filter(survey_id=UUID(survey["id"]), group="negative", bot=False), None
            while True:
                about: dict[str, Any] = {"limit": 2, "cursor": cursor, "look_through": look_through}
                rows, cursor = await list_responses(connection, site, wanted, **about)
                assert len(rows) <= 2
                found += [row.comment for row in rows]
                if cursor is None:
                    return found

    assert owner.client.portal
    assert owner.client.portal.call(page_through) == [f"n{number}" for number in sorted(unhappy, reverse=True)]


def test_answers_of_robots_are_looked_past_no_further_than_others(owner: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_responses, "LOOKED_THROUGH", 4)
    survey = owner.site.publish()
    owner.send(response(survey, comment="a person"))
    owner.send(*(response(survey, comment="a robot") for _ in range(5)), headers={"User-Agent": "Googlebot/2.1"})
    page = f"/admin/{owner.site.key}/{survey['id']}/responses"
    text = owner.client.get(page).text
    assert comments(text) == []
    (further,) = re.findall(r'href="([^"]*cursor[^"]*)">Search further back', text)
    assert comments(owner.client.get(further.replace("&amp;", "&")).text) == ["a person"]


def test_every_filter_finds_the_same_however_far_it_looks_at_once(owner: App, monkeypatch: pytest.MonkeyPatch) -> None:
    survey = owner.site.publish()
    owner.send(*(response(survey, score=number % 5 + 1, comment=f"n{number}") for number in range(23)))
    page = f"/admin/{owner.site.key}/{survey['id']}/responses"
    whole = comments(owner.client.get(f"{page}?group=negative").text)
    for most in (1, 2, 3, 7, 22, 23, 24):
        monkeypatch.setattr(admin_responses, "LOOKED_THROUGH", most)
        found: list[str] = []
        address = f"{page}?group=negative"
        while address:
            text = owner.client.get(address).text
            found += comments(text)
            further = re.findall(r'href="([^"]*cursor[^"]*)">(?:Older|Search further back)<', text)
            address = further[0].replace("&amp;", "&") if further else ""
        assert found == whole, most


def ask(owner: App, text: str) -> Any:
    """As an open page does now and then."""
    (address,) = re.findall(r'hx-get="([^"]*)"', text)
    return owner.client.get(address.replace("&amp;", "&"), headers=SCRIPT)


def test_news_come_to_a_page_that_is_open(owner: App) -> None:
    survey = owner.site.publish()
    page = f"/admin/{owner.site.key}/{survey['id']}/responses"

    text = owner.client.get(page).text
    assert ask(owner, text).status_code == 204
    owner.send(response(survey, score=5, comment="The first"))
    news = ask(owner, text)
    assert comments(news.text) == ["The first"]
    assert ask(owner, news.text).status_code == 204
    owner.send(response(survey, score=1, comment="The second"))
    news = ask(owner, news.text)
    assert comments(news.text) == ["The second"]
    assert 'id="responses" hx-swap-oob="afterbegin"' in news.text
    owner.client.cookies.clear()
    assert ask(owner, text).status_code == STOP_POLLING


def test_every_figure_follows_on_a_page_that_is_open(owner: App) -> None:
    survey = owner.site.publish()
    page = f"/admin/{owner.site.key}/{survey['id']}"

    text = owner.client.get(page).text
    assert ask(owner, text).status_code == 204
    event = response(survey, score=5, page="https://shop.example/order/17")
    owner.send(event)
    news = ask(owner, text)
    said = plain(news.text)
    for wanted in ("CSAT 100 %", "Very satisfied 1 100 %", "shop.example/order/*", "CSAT over time"):
        assert wanted in said, wanted
    assert ask(owner, news.text).status_code == 204
    owner.send({**event, "state": 2, "comment": "Lovely", "secret": "x" * 22})
    owner.site.call("DELETE", f"/responses/{event['id']}")
    assert "No responses in these days" in plain(ask(owner, news.text).text)
    owner.client.cookies.clear()
    assert ask(owner, text).status_code == STOP_POLLING


def test_response_has_a_page_with_its_history(owner: App) -> None:
    survey = owner.site.publish(question="First?", email_capture={"consent_text": "You may write."})
    other = owner.site.publish()
    shown = impression(survey)
    given = response(
        survey, score=2, impression=shown["id"], comment="Slow", email="jo@example.com", state=2, complete=True
    )
    owner.send(shown)
    owner.send(given)
    owner.site.call("PUT", f"/surveys/{survey['id']}", {**survey["document"], "question": "Second?"})
    owner.site.call("POST", f"/surveys/{survey['id']}/publish")
    page = f"/admin/{owner.site.key}/{survey['id']}"
    (address,) = re.findall(rf'href="({page}/responses/[^"?]+)\?', owner.client.get(f"{page}/responses").text)
    text = plain(owner.client.get(address).text)
    for wanted in (
        "First?",
        "Dissatisfied",
        "Slow",
        "jo@example.com",
        "You may write.",
        "was shown",
        "A score was given",
    ):
        assert wanted in text, wanted
    assert "Second?" not in text
    foreign = address.replace(survey["id"], other["id"])
    assert owner.client.get(foreign).status_code == 404
    assert owner.client.get(address[:-4] + "ffff").status_code == 404


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "http://x.example/", "Ünï\u0007", None, '<script>"&', "007"]


def unframed(content: bytes) -> tuple[list[int], bytes]:
    """How far each frame says it is, and the file."""
    assert content.endswith(exports.END)
    counts, data, at = [], b"", 0
    while at < len(content) - len(exports.END):
        counts.append(int.from_bytes(content[at : at + 4], "big"))
        size = int.from_bytes(content[at + 4 : at + 8], "big")
        data += content[at + 8 : at + 8 + size]
        at += 8 + size
    return counts, data


@pytest.mark.parametrize("ending", ["csv", "json", "xlsx"])
def test_whoever_takes_a_file_slowly_keeps_nobody_from_reading(
    owner: App, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str
) -> None:
    monkeypatch.setattr(exports, "AT_ONCE", 1)
    survey = owner.site.publish()
    owner.send(*(response(survey) for _ in range(3)))
    database = services_of(owner).database

    async def begin() -> list[Any]:
        async with database.read() as connection:
            found = await get_survey(connection, (await only_site(connection)).id, UUID(survey["id"]))
        export, _ = admin_results.EXPORTS[ending]
        made = [export(database, exports.Selection(found.site_id, found)) for _ in range(20)]
        for one in made:
            await anext(one)
            await anext(one)
        return made

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = len(list(tmp_path.iterdir()))
    assert owner.client.portal
    made = owner.client.portal.call(begin)
    assert owner.client.get("/admin/sites").status_code == 200
    for one in made:
        owner.client.portal.call(one.aclose)
    assert len(list(tmp_path.iterdir())) == before, "what was begun leaves nothing behind"


@pytest.mark.parametrize("ending", ["csv", "json", "xlsx"])
def test_file_comes_with_how_far_it_is(owner: App, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.setattr(exports, "AT_ONCE", 2)
    survey = owner.site.publish()
    owner.send(*(response(survey, comment=f"Number {number}") for number in range(5)))
    address = f"/admin/{owner.site.key}/{survey['id']}/responses.{ending}"
    reply = owner.client.get(f"{address}?framed")
    counts, data = unframed(reply.content)
    assert reply.headers["x-rows"] == "5"
    assert (counts[-1], counts == sorted(counts), {2, 4, 5} <= set(counts)) == (5, True, True)
    if ending == "xlsx":
        assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    else:
        assert data == owner.client.get(address).content


def names_in(content: bytes, ending: str, column: str = "comment") -> list[str]:
    if ending == "json":
        return [one[column] for one in json.loads(content)]
    if ending == "csv":
        return [one[column] for one in csv.DictReader(io.StringIO(content.decode("utf-8-sig")))]
    book = zipfile.ZipFile(io.BytesIO(content))
    rows = re.findall(r"<row .*?</row>", book.read("xl/worksheets/sheet1.xml").decode(), re.DOTALL)
    cells = [re.findall(r'<c r="([A-Z]+)\d+"[^>]*>(?:<is><t[^>]*>|<v>)([^<]*)', row) for row in rows]
    place = next(letters for letters, text in cells[0] if text == column)
    return [dict(row)[place] for row in cells[1:]]


@pytest.mark.parametrize("ending", ["csv", "json", "xlsx"])
def test_view_is_exported_as_it_is_on_the_screen(owner: App, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.setattr(exports, "AT_ONCE", 3)
    survey, other = owner.site.publish(), owner.site.publish()
    for number in range(7):
        score = 1 + 3 * (number % 2)
        owner.send(response(survey, score=score, comment=f"{'Ärger' if number < 4 else 'Fine'} {number}"))
    owner.send(response(other, score=1, comment="Ärger there"))
    page = f"/admin/{owner.site.key}/{survey['id']}"
    for home in (page, f"{page}/responses"):
        text = owner.client.get(
            f"{home}?group=negative&words=ärger" if "resp" in home else f"{home}?device=desktop"
        ).text
        assert f'href="{page}/responses.{ending}?view&amp;' in text, home
        assert f'href="{page}/responses.{ending}"' in text, home
    view = f"{page}/responses.{ending}?view&group=negative&words=%C3%A4rger"
    assert names_in(owner.client.get(view).content, ending) == ["Ärger 0", "Ärger 2"]
    framed = owner.client.get(f"{view}&framed")
    counts, data = unframed(framed.content)
    assert names_in(data, ending) == ["Ärger 0", "Ärger 2"]
    assert counts[-1] == int(framed.headers["x-rows"]) == 4, "gone through"
    assert len(names_in(owner.client.get(f"{page}/responses.{ending}").content, ending)) == 7
    assert (
        names_in(owner.client.get(f"{page}/responses.{ending}?view&from=2001-01-01&to=2001-01-02").content, ending)
        == []
    )


@pytest.mark.parametrize("ending", ["csv", "json", "xlsx"])
def test_responses_of_all_surveys_are_exported_with_the_name_of_each(owner: App, ending: str) -> None:
    survey, other = owner.site.publish(name="=One"), owner.site.publish(name="Two")
    foreign = add_site(owner.client, "", owner.site.token)
    owner.send(response(survey, comment="Here"))
    owner.send(response(other, comment="There"))
    owner.client.post(f"/w/{foreign.key}/events", json={"events": [response(foreign.publish(), comment="Elsewhere")]})
    home = f"/admin/{owner.site.key}/responses"
    assert f'href="{home}.{ending}?view' in owner.client.get(home).text
    content = owner.client.get(f"{home}.{ending}").content
    assert names_in(content, ending) == ["Here", "There"]
    assert names_in(content, ending, "survey") == ["'=One" if ending == "csv" else "=One", "Two"]
    assert names_in(owner.client.get(f"{home}.{ending}?view&survey={other['id']}").content, ending) == ["There"]
    assert names_in(owner.client.get(f"{home}.{ending}?view&survey={uuid4()}").content, ending) == []


def test_workbook_has_text_and_no_formula(owner: App) -> None:
    survey = owner.site.publish()
    for comment in FORMULAS:
        owner.send(response(survey, comment=comment))
    reply = owner.client.get(f"/admin/{owner.site.key}/{survey['id']}/responses.xlsx")
    assert reply.headers["content-disposition"].endswith('.xlsx"')
    book = zipfile.ZipFile(io.BytesIO(reply.content))
    assert book.testzip() is None
    sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet
    assert sheet.count("<row ") == 1 + len(FORMULAS)
    for wanted in ("=1+1", "+1", "-1", "@SUM(A1)", "007", "&lt;script&gt;"):
        assert f">{wanted}" in sheet, wanted
    assert re.search(r'<c r="D2"[^>]*><v>4</v>', sheet), "a score is a number"
    styles = set(re.findall(r'<c r="F\d+" s="(\d+)"', sheet))
    formats = re.findall(r'<xf numFmtId="(\d+)"', book.read("xl/styles.xml").decode().partition("<cellXfs")[2])
    assert [formats[int(one)] for one in styles] == ["49"], "and it stays text when somebody edits the cell"


def test_json_is_one_array(owner: App) -> None:
    survey = owner.site.publish()
    address = f"/admin/{owner.site.key}/{survey['id']}/responses.json"
    assert owner.client.get(address).json() == []
    for comment in FORMULAS:
        owner.send(response(survey, comment=comment))
    rows = json.loads(owner.client.get(address).content)
    assert [row["comment"] for row in rows] == [row["comment"] for row in reversed(owner.site.responses())]
    assert (rows[0]["score"], rows[0]["complete"]) == (4, False)
    assert owner.client.get(address.replace("json", "pdf")).status_code == 404
    assert owner.client.get(f"/admin/{owner.site.key}/{survey['id']}/responses.xlsx").status_code == 200


def test_list_draws_the_last_days(owner: App) -> None:
    survey = owner.site.publish()
    for path in ("/admin/sites", f"/admin/{owner.site.key}/surveys"):
        assert "<path" not in owner.client.get(path).text
    count(owner, survey, {0: {5: 3}, 5: {1: 1}, 60: {1: 50}})
    for path in ("/admin/sites", f"/admin/{owner.site.key}/surveys"):
        text = owner.client.get(path).text
        assert 'aria-label="4 responses in 30 days"' in text
        assert text.count("h4V24z") == 2
