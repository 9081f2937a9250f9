"""Answers arrive, once and in order, whatever happens between the page and the collector; and only those allowed."""

from __future__ import annotations

import json
import re

import pytest

from tests.behaviour.stage import Call, Forward, Reply, answer, drop, lose_reply, sign_in_page
from tests.behaviour.visit import Visit
from tests.behaviour.windows import Window, wait
from tests.faults.times import times

ALWAYS = {"unanswered": "always"}
TROUBLES = {
    "dropped": drop,
    "lost reply": lose_reply,
    "429": answer(429, "{}", Retry_After="1"),
    "500": answer(500, "oops"),
    "503": answer(503, "{}"),
    "a page to sign in": sign_in_page,
}


def comment(visit: Visit, text: str) -> None:
    visit.answer("Satisfied")
    visit.write(text)
    visit.send_unheard()
    visit.expect_thanked()


def forget(visit: Visit) -> None:
    """The browser forgets what it answered, and keeps what waits to be sent."""
    visit.window.run(
        "(name) => void (document.cookie = `${name}=;path=/;max-age=0;domain=.shop.example`)", f"tv_{visit.site.key}"
    )


def drop_posts(call: Call, forward: Forward) -> Reply | None:
    """What is sent does not get out; scripts come in."""
    return None if call.method == "POST" else forward()


def stored(visit: Visit) -> list[str]:
    return [one["comment"] for one in reversed(visit.site.responses(limit=100))]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda name: name.replace(" ", "-"))
def test_answer_outlives_trouble_and_counts_once(visit: Visit, trouble: str) -> None:
    visit.site.publish(frequency=ALWAYS)
    visit.stage.on("*/answers", TROUBLES[trouble])
    visit.open().expect_shown()
    comment(visit, "Kept")
    visit.stage.heal()
    visit.reload()
    visit.settle()
    assert stored(visit) == ["Kept"]


@pytest.mark.parametrize(("trouble", "many"), [("dropped", 20), ("lost reply", 100)])
def test_answers_of_a_day_without_a_network_arrive_once_and_in_order(visit: Visit, trouble: str, many: int) -> None:
    visit.site.publish(frequency=ALWAYS)
    visit.stage.on("*/answers", TROUBLES[trouble])
    wanted = [f"Number {number}" for number in range(times(4, many))]
    for text in wanted:
        visit.open().expect_shown()
        comment(visit, text)
        forget(visit)
    visit.stage.heal()
    visit.open("http://shop.example/last")
    visit.settle()
    assert stored(visit) == wanted


def test_answer_and_gone_at_once(visit: Visit) -> None:
    visit.site.publish(frequency=ALWAYS, where={"exclude": ["/gone"]})
    rounds = times(5, 1000)
    for _ in range(rounds):
        visit.open().expect_shown()
        visit.window.run(
            """() => { document.querySelector('tevreden-survey').shadowRoot.querySelector('input').click();
            location.href = '/gone' }"""
        )
        visit.window.until("location.pathname == '/gone' && window.tevreden && !Array.isArray(window.tevreden)")
        forget(visit)
    visit.open("http://shop.example/last")
    visit.settle()
    found = visit.site.responses(limit=100)
    assert len(found) == min(rounds, 100)
    assert len({one["id"] for one in found}) == len(found)


def test_two_tabs_with_the_same_answers_waiting_double_nothing(visit: Visit) -> None:
    visit.site.publish(frequency=ALWAYS)
    visit.stage.on("*/answers", drop)
    visit.open().expect_shown()
    comment(visit, "Once")
    visit.stage.heal()
    tabs = [visit.window.tab() for _ in range(2)]
    for tab in tabs:
        tab.start("http://shop.example/")
    visit.stage.until(lambda: stored(visit) == ["Once"])
    visit.settle()
    assert stored(visit) == ["Once"]


def test_tabs_that_race_for_a_survey_shown_once_show_one(visit: Visit, browser_kind: str) -> None:
    if browser_kind == "chromium":
        visit.site.change(frequency={"once_per_session": False})  # each race is for another survey
    for _ in range(times(2, 100) if browser_kind == "chromium" else 1):
        survey = visit.site.publish(frequency={"unanswered": "never"}, where={"include": ["/race"]})
        tabs = [visit.window, *(visit.window.tab() for _ in range(9 if browser_kind == "chromium" else 3))]
        for tab in tabs:
            tab.start("http://shop.example/race")
        for tab in tabs:
            tab.to_front()
            tab.until("window.tevreden && !Array.isArray(window.tevreden)")
            tab.until("tevreden.explain().then((all) => all.every((one) => one.reason != 'loading'))")

        def shown(tabs: list[Window] = tabs) -> list[int]:
            return [tab.run("document.querySelectorAll('tevreden-survey').length") for tab in tabs]

        wait(lambda: sum(shown()), "one of them shows it")
        assert sum(shown()) == 1, shown()
        for tab in tabs[1:]:
            tab.close()
        visit.settle()
        assert visit.site.results(survey)["counts"]["impressions"] == 1
        visit.site.call("POST", f"/surveys/{survey['id']}/pause")


@pytest.mark.parametrize("year", [1999, 2099])
def test_clock_that_is_wrong_by_years_holds_nobody_off(visit: Visit, year: int) -> None:
    visit.site.publish(frequency={"unanswered": "after", "unanswered_days": 30})
    right = visit.head
    visit.head = f"""<script>{{ const now = Date.now, off = new Date('{year}-06-01') - now();
      Date.now = () => now.call(Date) + off }}</script>"""
    visit.open().expect_shown()
    visit.settle()
    visit.head = right
    visit.reload().expect_shown()
    visit.answer("Satisfied")
    visit.settle()
    assert len(visit.site.responses()) == 1
    visit.reload().expect_not_shown(because="answered")


def test_without_consent_nothing_is_kept_sent_or_shown(visit: Visit) -> None:
    survey = visit.site.publish()
    visit.tag_options = 'data-consent="required"'
    visit.open()
    visit.window.run(
        "(key) => void (tevreden.event('x'), tevreden.show(key), tevreden.identify({email: 'a@b.c'}))", survey["key"]
    )
    assert visit.reason() == "consent"
    assert visit.count() == 0
    assert visit.window.cookies() == []
    assert [call.path for call in visit.to_collector()] == [f"/w/{visit.site.key}.js"]
    visit.window.run("void tevreden.consent(true)")
    visit.expect_shown()
    visit.settle()
    visit.window.run("void tevreden.consent(false)")
    visit.window.until("!document.cookie && !localStorage.length && !document.querySelector('tevreden-survey')")


def test_global_privacy_control_sends_no_visitor_and_no_person(visit: Visit) -> None:
    visit.site.publish()
    visit.head = """<script>Object.defineProperty(navigator, 'globalPrivacyControl', {get: () => true});
      (window.tevreden ||= []).push(['identify', {email: 'jo@example.com'}])</script>"""
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.settle()
    for call in visit.events():
        body = json.loads(call.body)
        assert body["anonymous"] is True
        assert "visitor" not in body
        assert all("identity" not in event for event in body["events"])
    (cookie,) = [one for one in visit.window.cookies() if one["name"] == f"tv_{visit.site.key}"]
    assert cookie["value"].startswith("!")


def test_many_route_changes_count_each_survey_once(visit: Visit) -> None:
    survey = visit.site.publish(where={"include": ["/even"]}, frequency={"unanswered": "never"})
    visit.open("http://shop.example/odd")
    for _ in range(times(1, 10)):
        visit.window.run(
            """async (count) => {
              const pause = (time) => new Promise((done) => setTimeout(done, time));
              for (let at = 0; at < count; await pause(0))
                try {
                  history.pushState({}, '', at % 2 ? '/odd' : '/even');
                  at++;
                } catch {
                  await pause(500); // WebKit takes a hundred in ten seconds
                }
            }""",
            50,
        )
    visit.window.until("(() => { try { return !history.pushState({}, '', '/even') } catch {} })()")
    visit.expect_shown()
    visit.settle()
    assert visit.site.results(survey)["counts"]["impressions"] == 1
    assert visit.window.errors == []


def test_every_event_of_a_showing_carries_its_own_secret_until_it_has_arrived(visit: Visit) -> None:
    visit.site.publish(frequency=ALWAYS)
    visit.open().expect_shown()
    visit.stage.on("*/w/*", lose_reply)
    visit.answer("Satisfied")
    visit.stage.until(lambda: [call for call in visit.events() if call.over and b'"response"' in call.body])
    visit.stage.heal()
    forget(visit)
    visit.open("http://shop.example/next")
    visit.settle()
    visit.expect_shown()
    visit.window.click("button", "Close")
    visit.settle()
    sent = [event for call in visit.events() for event in call.json["events"]]
    secrets: dict[str, set[str]] = {event.get("impression", event["id"]): set() for event in sent}
    for event in sent:
        secrets[event.get("impression", event["id"])].add(event["secret"])
    assert len(secrets) == 2
    assert all(len(ones) == 1 for ones in secrets.values())
    assert len(set.union(*secrets.values())) == 2
    assert all(re.fullmatch(r"[0-9a-f]{32}", secret) for ones in secrets.values() for secret in ones)


def test_event_that_the_store_cannot_take_holds_up_none_of_its_neighbours(visit: Visit) -> None:
    visit.site.publish(frequency=ALWAYS)
    events_url = f"*/w/{visit.site.key}/*"
    visit.stage.on(events_url, drop_posts)
    for text in ("one", "BAD", "three", "four", "five"):
        visit.open().expect_shown()
        comment(visit, text)
        forget(visit)
    visit.stage.heal()
    refuse = answer(503, '{"title": "The store cannot keep this"}')
    visit.stage.on(events_url, lambda call, forward: refuse(call, forward) if b'"BAD"' in call.body else forward())
    visit.open()
    visit.stage.until(
        lambda: {event.get("comment") for event in visit.arrived("response")} >= {"one", "three", "four", "five"}
    )


def test_blocked_address_is_told_of_once_by_the_console_and_explain(visit: Visit) -> None:
    visit.site.publish()
    visit.head = "<script>window.lines = []; console.info = (...all) => void lines.push(all.join(' '))</script>"
    visit.stage.on(f"*/w/{visit.site.key}/*", drop_posts)
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.window.until("lines.length")
    rules = visit.window.run("tevreden.explain().then(([one]) => one.rules.map(({rule}) => rule))")
    assert "delivery" in rules
    assert len(visit.window.run("lines")) == 1
