"""The sums: whatever happens, in whatever order, they are what counting again gives."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from collector.access.sites import site_by_key
from collector.db.schema import rollups
from collector.db.store import Database
from collector.db.verbs import Steps
from collector.errors import Unavailable
from collector.responses.pages import LONGEST_LABEL, MOST_NAMES, page_label
from collector.responses.rollups import DIMENSIONS, Difference, add_to_rollups, fold_lanes, recount, totals_by_value
from collector.run import app as run_app
from collector.run import cli
from collector.web.http.limits import NAMES_PER_ADDRESS
from tests.conftest import PERSON, App
from tests.events import impression, response
from tests.faults.times import times
from tests.services import differences, in_app, services_of
from tests.stores import in_a_loop, number_of, opened, run_command

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1"
ROBOT = "curl/8.0"
AGENTS = {PERSON: "desktop", PHONE: "phone", ROBOT: "other"}
PAGES = {
    None: "",
    "https://shop.example/": "shop.example/",
    "https://shop.example/order/17": "shop.example/order/*",
    "https://shop.example/order/18?x=1#y": "shop.example/order/*",
    "https://other.example/a/": "other.example/a",
}
LANGUAGES = {None: "", "en": "en", "nl": "nl", "xx": ""}


# ---- the name of a page


@pytest.mark.parametrize(
    ("address", "label"),
    [
        (None, ""),
        ("", ""),
        ("https://shop.example", "shop.example/"),
        ("https://shop.example/", "shop.example/"),
        ("https://shop.example//", "shop.example/"),
        ("https://SHOP.example:8443/Plants/", "shop.example/Plants"),
        ("https://jo:secret@shop.example/a", "shop.example/a"),
        ("https://shop.example/a?order=17#top", "shop.example/a"),
        ("https://shop.example/order/17/item/4", "shop.example/order/*/item/*"),
        ("https://shop.example/2026/01/31/news", "shop.example/*/*/*/news"),
        ("https://shop.example/order-17", "shop.example/order-17"),
        ("https://shop.example/v2", "shop.example/v2"),
        ("https://shop.example/u/0199f3c2-0000-7000-8000-000000000000", "shop.example/u/*"),
        ("https://shop.example/u/0199F3C2000070008000000000000000/x", "shop.example/u/*/x"),
        ("https://shop.example/c/da39a3ee5e6b4b0d3255bfef95601890afd80709", "shop.example/c/*"),
        ("https://shop.example/c/deadbeef", "shop.example/c/deadbeef"),
        ("https://shop.example/caf%C3%A9/é", "shop.example/caf%C3%A9/é"),
        ("https://[2001:db8::1]:80/a", "2001:db8::1/a"),
        ("https://[2001:db8::1/a", ""),
        ("https://shop.example:port/a", "shop.example/a"),
        ("http://exam\u2100ple.com/", ""),
        ("/cart", "/cart"),
        ("no address", "no address"),
        ("?q", "/"),
        ("about:blank", "blank"),
        ("https://shop.example/" + "x" * 3000, "shop.example/" + "x" * (LONGEST_LABEL - 13)),
    ],
)
def test_page_is_named_without_what_would_make_it_one_of_a_kind(address: str | None, label: str) -> None:
    assert page_label(address) == label


@given(st.text(max_size=300) | st.from_regex(r"https?://[^/]{0,20}/.{0,50}"))
def test_any_page_has_a_name_that_every_store_takes(address: str) -> None:
    assert len(page_label(address)) <= LONGEST_LABEL


# ---- anything in any order


@dataclass
class Shown:
    where: tuple[str, str, str, str]
    robot: bool
    dismissed: bool = False
    answered: bool = False


@dataclass
class Given:
    where: tuple[str, str, str, str]
    robot: bool
    state: int
    score: int
    comment: bool
    email: bool
    complete: bool
    shown: str | None
    """The impression that it came of."""


@dataclass
class Recount:
    """What a person with paper and pencil would note, event by event."""

    shown: dict[str, Shown] = field(default_factory=dict)
    given: dict[str, Given] = field(default_factory=dict)

    def send(self, event: dict[str, Any], agent: str) -> bool:
        """Whether it is stored."""
        robot = agent == ROBOT or event.get("automated", False)
        # revision, page, device, language: in the order of DIMENSIONS
        where = (str(event["revision"]), PAGES[event["page"]], AGENTS[agent], LANGUAGES[event["language"]])
        if event["type"] == "response":
            return self._answer(event, where, robot)
        shown = self.shown.setdefault(event["id"], Shown(where, robot))
        shown.dismissed |= event["type"] == "dismissal" and not shown.answered
        return True

    def _answer(self, event: dict[str, Any], where: tuple[str, str, str, str], robot: bool) -> bool:
        earlier = self.given.get(event["id"])
        now = Given(
            where,
            robot,
            event["state"],
            event["score"],
            bool((event["comment"] or "").strip()),
            bool(event["email"]),
            event["complete"],
            event["impression"],
        )
        if earlier and now.state <= earlier.state:
            return False  # the sequences below never send the very same again but as a duplicate
        if event["impression"]:
            shown = self.shown.setdefault(event["impression"], Shown(where, robot))
            shown.dismissed, shown.answered = False, True
        if earlier:  # where it was given and by whom stays, and so does an address; the revision does not
            now.where, now.robot = (now.where[0], *earlier.where[1:]), earlier.robot
            now.email |= earlier.email
            now.shown = earlier.shown
        self.given[event["id"]] = now
        return True

    def delete(self, name: str) -> bool:
        """A response and the impression that it came of; whether it was there."""
        given = self.given.pop(name, None)
        if given and given.shown:
            self.shown.pop(given.shown, None)
        return given is not None

    def totals(self, dimension: int) -> dict[str, dict[str, Any]]:
        values: dict[str, Counter[str]] = {}
        for shown in self.shown.values():
            if not shown.robot:
                count = values.setdefault(shown.where[dimension], Counter())
                count["impressions"] += 1
                count["dismissals"] += shown.dismissed
        for one in self.given.values():
            count = values.setdefault(one.where[dimension], Counter())
            if one.robot:
                count["robots"] += 1
                continue
            count["completed"] += one.complete
            count["comments"] += one.comment
            count["emails"] += one.email
            count[f"score {one.score}"] += 1
        return {value: {name: number for name, number in count.items() if number} for value, count in values.items()}


STEPS = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["impression", "dismissal", "response", "response", "again", "delete"]),
            "shown": st.integers(0, 3),
            "given": st.integers(0, 3),
            "with_impression": st.booleans(),
            "revision": st.sampled_from([1, 2]),
            "page": st.sampled_from(list(PAGES)),
            "language": st.sampled_from(list(LANGUAGES)),
            "agent": st.sampled_from(list(AGENTS)),
            "automated": st.sampled_from([False, False, False, True]),
            "score": st.integers(1, 5),
            "rise": st.integers(0, 2),
            "comment": st.sampled_from([None, "", "  ", "Fine"]),
            "email": st.sampled_from([None, "a@example.com"]),
            "complete": st.booleans(),
            "together": st.booleans(),
        }
    ),
    min_size=1,
    max_size=25,
)


class Story:
    """Steps told to the collector and to the recount alike."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.survey = app.site.publish(translations={"nl": {"question": "?"}})
        path = f"/surveys/{self.survey['id']}"
        app.site.call("PUT", path, {**self.survey["document"], "question": "Other?"})
        assert app.site.call("POST", path + "/publish").json()["revision"] == 2
        self.recount = Recount()
        self._shown, self._given = [[str(uuid4()) for _ in range(4)] for _ in range(2)]
        self._states: Counter[str] = Counter()
        self._waiting: list[dict[str, Any]] = []
        self._agent = ""
        self._last: dict[str, Any] | None = None

    def tell(self, step: dict[str, Any]) -> None:
        if step["kind"] == "delete":
            self.send()
            name = self._given[step["given"]]
            status = self.app.site.call("DELETE", f"/responses/{name}").status_code
            assert status == (204 if self.recount.delete(name) else 404)
            return
        if step["agent"] != self._agent or not step["together"]:
            self.send()
        self._agent = step["agent"]
        if step["kind"] == "again":
            self._waiting += [self._last] if self._last else []
            return
        self._last = self._event(step)
        self._waiting.append(self._last)

    def _event(self, step: dict[str, Any]) -> dict[str, Any]:
        about = {name: step[name] for name in ("revision", "page", "language", "automated")}
        if step["kind"] != "response":
            return impression(self.survey, id=self._shown[step["shown"]], type=step["kind"], **about)
        name = self._given[step["given"]]
        state = self._states[name] = max(1, self._states[name] + step["rise"])
        content = {key: step[key] for key in ("score", "comment", "email", "complete")}
        shown = self._shown[step["shown"]] if step["with_impression"] else None
        return response(self.survey, id=name, impression=shown, state=state, **content, **about)

    def send(self) -> None:
        """What gathered, in one request: stored or refused as the recount says, but for what says nothing new."""
        events, self._waiting = self._waiting, []
        if not events:
            return
        reply = self.app.send(*events, headers={"User-Agent": self._agent})
        assert reply.status_code in (200, 409), reply.text
        for event in events:
            self.recount.send(event, self._agent)

    def check(self) -> None:
        self.send()
        site = self.app.site

        async def kept() -> list[dict[str, Any]]:
            async with services_of(self.app).database.read() as connection:
                site_id = (await site_by_key(connection, site.key)).id
                return [
                    await totals_by_value(connection, site_id, await number_of(connection, self.survey), one)
                    for one in DIMENSIONS
                ]

        for dimension, totals in enumerate(in_app(self.app, kept)):
            found = {
                value: {name: number for name, number in vars(total).items() if number and name != "scores"}
                | {f"score {score}": people for score, people in total.scores.items()}
                for value, total in totals.items()
            }
            wanted = {value: numbers for value, numbers in self.recount.totals(dimension).items() if numbers}
            assert {value: numbers for value, numbers in found.items() if numbers} == wanted, DIMENSIONS[dimension]
        self._check_rest(site.results(self.survey))
        assert differences(self.app) == []

    def _check_rest(self, results: dict[str, Any]) -> None:
        people = [one for one in self.recount.given.values() if not one.robot]
        shown = [one for one in self.recount.shown.values() if not one.robot]
        assert results["counts"] == {
            "impressions": len(shown),
            "dismissals": sum(one.dismissed for one in shown),
            "scores": len(people),
            "comments": sum(one.comment for one in people),
            "emails": sum(one.email for one in people),
            "robots": len(self.recount.given) - len(people),
        }
        scores = Counter(one.score for one in people)
        assert {one["score"]: one["count"] for one in results["distribution"] if one["count"]} == scores
        assert results["headline"]["total"] == len(people)


@settings(max_examples=times(15, 1000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_results_are_what_counting_by_hand_gives(app: App, steps: list[dict[str, Any]]) -> None:
    story = Story(app)
    for step in steps:
        story.tell(step)
    story.check()


# ---- the pages that results name


def labels_of(app: App, survey: dict[str, Any]) -> dict[str, int]:
    """Impressions by page."""

    async def read() -> dict[str, int]:
        async with services_of(app).database.read() as connection:
            site_id = (await site_by_key(connection, app.site.key)).id
            totals = await totals_by_value(connection, site_id, await number_of(connection, survey), "page")
            return {value: total.impressions for value, total in totals.items()}

    found: dict[str, int] = in_app(app, read)
    return found


def show_pages(app: App, survey: dict[str, Any], numbers: range) -> None:
    for start in range(numbers.start, numbers.stop, 40):
        some = range(start, min(start + 40, numbers.stop))
        sent = [impression(survey, page=f"https://shop.example/page-{number}") for number in some]
        assert app.send(*sent).status_code == 200


def test_two_hundred_pages_are_named_and_the_rest_count_as_one(app: App) -> None:
    survey = app.site.publish()
    for part in range(6):
        app.come_from(f"192.0.2.{part}")
        show_pages(app, survey, range(part * 40, part * 40 + 40))
    show_pages(app, survey, range(2))
    counts = labels_of(app, survey)
    assert len(counts) == MOST_NAMES + 1
    assert counts[""] == 40
    assert counts["shop.example/page-0"] == 2
    assert differences(app) == []


def test_one_address_names_forty_pages_a_day_and_leaves_room_for_others(app: App) -> None:
    survey = app.site.publish()
    app.come_from("192.0.2.1")
    show_pages(app, survey, range(400))
    assert len(labels_of(app, survey)) == NAMES_PER_ADDRESS + 1
    app.come_from("192.0.2.2")
    show_pages(app, survey, range(1000, 1020))
    counts = labels_of(app, survey)
    assert len(counts) == NAMES_PER_ADDRESS + 21
    assert sum(counts.values()) == 420


def test_a_new_month_names_pages_anew(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    survey = app.site.publish()
    for part in range(5):
        app.come_from(f"192.0.2.{part}")
        show_pages(app, survey, range(part * 40, part * 40 + 40))
    app.come_from("192.0.2.9")
    show_pages(app, survey, range(500, 501))
    assert "shop.example/page-500" not in labels_of(app, survey)
    later = datetime.now(UTC) + timedelta(days=32)
    monkeypatch.setattr(run_app, "clock", lambda: later)
    show_pages(app, survey, range(500, 501))
    assert labels_of(app, survey)["shop.example/page-500"] == 1


def test_page_of_a_batch_that_failed_is_named_when_it_comes_again(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    survey = app.site.publish()
    database = services_of(app).database
    batch = database.batch

    async def fail(begin: Callable[[], Steps[Any]]) -> Any:
        def steps() -> Steps[Any]:
            inner = begin()
            calls = next(inner)
            while not any(call.verb is add_to_rollups for call in calls):
                calls = inner.send((yield calls))
            raise Unavailable

        return await batch(steps)

    monkeypatch.setattr(database, "batch", fail)
    shown = impression(survey, page="https://shop.example/new")
    assert app.send(shown).status_code == 503
    monkeypatch.undo()
    assert app.send(shown).status_code == 200
    assert labels_of(app, survey) == {"shop.example/new": 1}


# ---- many at once


def test_answers_removed_at_once_are_each_taken_from_the_sums(app: App) -> None:
    survey = app.site.publish()
    # whose sums nobody of this process has added to: answered through another lane
    services_of(app).database.lane = 7 if services_of(app).database.batches_at_once > 1 else 0
    for _ in range(times(2, 40)):
        events = [response(survey) for _ in range(12)]
        assert app.send(*events).status_code == 200
        together = threading.Barrier(6)

        def remove(name: str, together: threading.Barrier = together) -> int:
            together.wait(10)
            return app.site.call("DELETE", f"/responses/{name}").status_code

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(remove, [event["id"] for event in events])) == [204] * 12
    assert app.site.results(survey)["counts"]["scores"] == 0
    assert differences(app) == []


# ---- the check


def test_check_finds_sums_that_are_wrong_and_puts_them_right(app: App, store: tuple[str, str]) -> None:
    url, _ = store
    survey = app.site.publish(name="Tampered with")
    shown = impression(survey)
    app.send(shown, response(survey, impression=shown["id"], comment="Fine"), response(survey, score=1))
    right = app.site.results(survey)
    assert run_command("check-data", url=url).returncode == 0
    for tamper in (
        "UPDATE rollups SET score_4 = score_4 + 1 WHERE dimension = 'revision'",
        "UPDATE rollups SET robots = 5 WHERE dimension = 'page'",
        "DELETE FROM rollups WHERE dimension = 'device'",
        "UPDATE rollups SET value = 'fr' WHERE dimension = 'language'",
        "UPDATE rollups SET lane = lane + 1, comments = -comments",
        "DELETE FROM responses",
    ):

        async def spoil(tamper: str = tamper) -> None:
            async with services_of(app).database.write() as connection:
                done = await connection.execute(text(tamper))
                assert done.rowcount > 0

        in_app(app, spoil)
        found = run_command("check-data", url=url)
        assert found.returncode == 3, tamper
        assert "Tampered with, " in found.stdout
        assert "differ; --repair corrects them" in found.stdout
        repaired = run_command("check-data", "--repair", url=url)
        assert (repaired.returncode, "were corrected" in repaired.stdout) == (0, True)
        clean = run_command("check-data", url=url)
        assert (clean.returncode, clean.stdout) == (0, "All totals are correct.\n")
        if not tamper.endswith("responses"):
            assert app.site.results(survey) == right
    assert app.site.results(survey)["counts"]["scores"] == 0


def test_repair_while_answers_arrive_loses_none(app: App, store: tuple[str, str]) -> None:
    survey = app.site.publish()
    ended = threading.Event()
    sent = []

    def send() -> None:
        while not ended.is_set():
            reply = app.send(*(response(survey) for _ in range(5)))
            sent.append(reply.status_code)

    async def spoil() -> None:
        async with services_of(app).database.write() as connection:
            await connection.execute(rollups.update().values(score_4=rollups.c.score_4 + 1))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        for _ in range(times(3, 50)):
            in_app(app, spoil)
            assert run_command("check-data", "--repair", url=store[0]).returncode == 0
    finally:
        ended.set()
        thread.join()
    assert set(sent) == {200}
    assert run_command("check-data", url=store[0]).returncode == 0
    assert app.site.results(survey)["counts"]["scores"] == 5 * len(sent)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_lanes_of_days_that_are_over_are_folded_into_one(app: App) -> None:
    survey = app.site.publish()
    for lane in (3, 7):
        services_of(app).database.lane = lane
        assert app.send(response(survey, page="https://shop.example/a")).status_code == 200
    kept = app.site.results(survey)
    assert {row[0] for row in app.rows(rollups.c.lane)} == {3, 7}
    today = services_of(app).clock().date()

    async def fold(before: date) -> int:
        async with services_of(app).database.write() as connection:
            return await fold_lanes(connection, before=before)

    assert in_app(app, lambda: fold(today)) == 0, "what is still counted stays where it is"
    assert in_app(app, lambda: fold(today + timedelta(days=1))) == 2 * len(DIMENSIONS)
    assert {row[0] for row in app.rows(rollups.c.lane)} == {0}
    assert app.site.results(survey) == kept
    assert differences(app) == []
    assert in_app(app, lambda: fold(today + timedelta(days=1))) == 0


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_processes_on_one_store_have_lanes_of_their_own(store: tuple[str, str]) -> None:
    async def lanes() -> list[int]:
        async with AsyncExitStack() as stack:
            stores = [await stack.enter_async_context(opened(store[0])) for _ in range(6)]
            for one in stores:
                one.lane = 5
                one.listen(lambda _: None)
            with anyio.fail_after(30):
                while len({one.lane for one in stores}) < len(stores):
                    await anyio.sleep(0.05)  # the pause between two looks at a condition
            return [one.lane for one in stores]

    assert sorted(in_a_loop(lanes)) == [5, 6, 7, 8, 9, 10]


async def spoil(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(rollups.update().values(score_4=rollups.c.score_4 + 1))
        await connection.execute(
            rollups.update().where(rollups.c.dimension == "page").values(value=rollups.c.value + "/wrong")
        )


def test_repair_holds_up_no_answer_while_it_counts(
    app: App, store: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    survey = app.site.publish()
    assert app.send(*(response(survey, page="https://shop.example/cart") for _ in range(5))).status_code == 200
    in_app(app, lambda: spoil(services_of(app).database))
    counted, answered = threading.Event(), threading.Event()

    async def recount_slowly(*arguments: Any) -> list[Difference]:
        found = await recount(*arguments)
        counted.set()
        assert await asyncio.to_thread(answered.wait, 20), "answers came in before the repair went on"
        return found

    monkeypatch.setattr(cli, "recount", recount_slowly)
    with ThreadPoolExecutor(1) as pool:
        repairing = pool.submit(run_command, "check-data", "--repair", url=store[0])
        assert counted.wait(20)
        for _ in range(10):
            began = time.monotonic()
            assert app.send(*(response(survey, page="https://shop.example/cart") for _ in range(5))).status_code == 200
            assert time.monotonic() - began < 2
        answered.set()
        assert "were corrected" in repairing.result().stdout
    assert differences(app) == []
    assert app.site.results(survey)["counts"]["scores"] == 55
    assert labels_of(app, survey).keys() == {"shop.example/cart"}


def test_two_repairs_at_once_put_right_once(app: App, store: tuple[str, str]) -> None:
    survey = app.site.publish()
    assert app.send(*(response(survey) for _ in range(5))).status_code == 200
    in_app(app, lambda: spoil(services_of(app).database))

    async def repair() -> list[int]:
        async with opened(store[0]) as one, opened(store[0]) as other:
            return await asyncio.gather(*(cli._check_sums(database, repair=True) for database in (one, other)))

    assert sorted(in_a_loop(repair))[0] == 0, "the second has nothing left to do"
    assert differences(app) == []
