"""What a visitor sees first, in every browser; and that the stage does what other tests rely on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.behaviour.stage import COLLECTOR, Fault, Hang, Reply, answer, drop, lose_reply, sign_in_page
from tests.behaviour.visit import XHTML, Visit, Visitor


def stored(visit: Visit) -> dict[str, Any]:
    (response,) = visit.site.responses()
    assert not response["bot"]
    return response


def test_answer_with_a_comment_is_stored_once(visit: Visit) -> None:
    visit.site.publish()
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.write("Quick, and wrapped well 🎁")
    visit.send()
    visit.expect_thanked()
    visit.settle()
    response = stored(visit)
    assert (response["score"], response["comment"], response["complete"]) == (4, "Quick, and wrapped well 🎁", True)
    assert visit.window.errors == []


def test_dismissed_survey_stays_away(visit: Visit) -> None:
    survey = visit.site.publish()
    visit.open().expect_shown()
    visit.window.click("button", "Close")
    visit.window.until("!document.querySelector('tevreden-survey')")
    visit.settle()
    visit.open("http://www.shop.example/next").expect_not_shown(because="seen")
    assert visit.site.results(survey)["counts"]["dismissals"] == 1


@pytest.mark.parametrize(
    "fault",
    [drop, lose_reply, answer(503, "{}"), answer(429, "{}", Retry_After="1"), sign_in_page],
    ids=["nothing arrives", "the reply is lost", "503", "429", "a hotel's page"],
)
def test_answer_arrives_once_when_the_way_is_free_again(visit: Visit, fault: Fault) -> None:
    visit.site.publish()
    visit.stage.on("*/answers", fault)
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.write("Kept")
    visit.send_unheard()
    visit.expect_thanked()
    visit.stage.wait_for("*/answers")
    visit.stage.heal()
    visit.open("http://shop.example/next")
    visit.settle()
    response = stored(visit)
    assert (response["score"], response["comment"], response["complete"]) == (4, "Kept", True)


def test_answer_given_offline_arrives_when_the_browser_is_online_again(visit: Visit) -> None:
    visit.site.publish()
    visit.open().expect_shown()
    visit.settle()
    visit.go_offline()
    visit.answer("Satisfied")
    visit.window.until("!navigator.onLine")
    assert visit.site.responses() == []
    visit.go_online()
    visit.settle()
    assert stored(visit)["score"] == 4


def test_slow_collector_keeps_nobody_from_the_page(visit: Visit) -> None:
    visit.site.publish()
    hang = Hang()
    visit.stage.on("*.js", hang)
    visit.window.start("http://shop.example/")
    visit.window.wait_for("heading", "A page")
    assert visit.count() == 0
    hang.release()
    visit.expect_shown()


def test_nothing_but_the_script_is_asked_for_where_nothing_matches(visit: Visit) -> None:
    visit.site.publish(where={"include": ["/elsewhere"]})
    visit.open().expect_not_shown(because="page")
    assert [call.url for call in visit.to_collector()] == [f"{COLLECTOR}/w/{visit.site.key}.js"]
    assert visit.window.cookies() == []
    assert visit.window.run("[localStorage.length, sessionStorage.length]") == [0, 0]


def test_by_keyboard_alone(visit: Visit) -> None:
    visit.site.publish()
    visit.open().expect_shown()
    window = visit.window
    window.press("Tab")
    assert window.focused() == ("button", "Close")
    window.press("Tab")
    assert window.focused()[0] == "radio"
    window.press("Space")
    window.press("ArrowRight")
    assert window.focused() == ("radio", "Dissatisfied")
    window.wait_for("textbox")
    window.press("Tab")
    window.type("Late, and wet")
    visit.rest()
    window.press("Tab")
    assert window.focused() == ("button", "Send")
    window.press("Enter")
    assert window.focused() == ("textbox", "Your e-mail address (optional)")
    visit.rest()
    window.press("Tab")
    assert window.focused() == ("button", "Send")
    window.press("Enter")
    visit.expect_thanked()
    visit.settle()
    response = stored(visit)
    assert (response["score"], response["comment"], response["complete"]) == (2, "Late, and wet", True)
    window.press("Escape")
    window.until("!document.querySelector('tevreden-survey')")


def test_page_of_xhtml_takes_an_answer(visit: Visit) -> None:
    visit.site.publish()
    visit.media = XHTML
    visit.open().expect_shown()
    assert visit.window.run("document.contentType") == "application/xhtml+xml"
    visit.answer("Satisfied")
    visit.send()
    assert stored(visit)["score"] == 4


def test_strict_policy_takes_an_answer(visit: Visit) -> None:
    visit.site.publish()
    visit.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'nonce-abc' {COLLECTOR}; connect-src {COLLECTOR}; "
        "require-trusted-types-for 'script'"
    )
    visit.tag_options = 'nonce="abc"'
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.send()
    assert stored(visit)["score"] == 4
    assert visit.window.errors == []


def test_tag_that_is_there_twice_shows_one_survey(visit: Visit) -> None:
    visit.head = visit.tag
    visit.site.publish()
    visit.open().expect_shown()
    visit.settle()
    assert visit.count() == 1
    assert len([call for call in visit.to_collector() if "/w/ui-" in call.url]) == 1


def test_survey_is_there_again_on_the_way_back(visit: Visit) -> None:
    visit.site.publish(where={"include": ["/order"]}, frequency={"unanswered": "always"})
    visit.open("http://shop.example/order").expect_shown()
    visit.stage.until(lambda: len(visit.arrived("impression")) == 1)
    visit.settle()
    visit.open("http://shop.example/next").expect_not_shown(because="page")
    visit.back().expect_shown()
    assert visit.window.url == "http://shop.example/order"
    visit.answer("Satisfied")
    visit.settle()
    visit.forward().expect_not_shown(because="page")
    assert stored(visit)["page"] == "http://shop.example/order"


def test_page_of_localhost_is_a_secure_context(visit: Visit) -> None:
    visit.site.publish()
    visit.open(f"{visit.stage.url}/order").expect_shown()
    assert visit.window.run("isSecureContext && navigator.locks.request('a lock', () => 'held')") == "held"
    visit.answer("Satisfied")
    visit.settle()
    assert stored(visit)["page"] == f"{visit.stage.url}/order"


def test_survey_in_a_frame_takes_an_answer(visit: Visit) -> None:
    visit.site.publish(where={"include": ["framed.example/*"]})
    visit.pages["http://shop.example/"] = visit.page(
        '<iframe src="http://framed.example/" width="900" height="700">', ""
    )
    visit.window.open("http://shop.example/")
    frame = visit.window.frame("iframe")
    frame.click("radio", "Satisfied")
    frame.wait_for("button", "Send")
    visit.stage.until(lambda: visit.arrived("response"))
    assert stored(visit)["page"] == "http://framed.example/"
    assert not visit.window.run("'tevreden' in window")


def test_second_tab_knows_the_visitor_and_another_profile_does_not(visit: Visit, visitor: Visitor) -> None:
    visit.site.publish()
    visit.open().expect_shown()
    visit.settle()
    tab = visit.window.tab()
    tab.open("http://my.shop.example/")
    tab.until("window.tevreden?.explain")
    assert tab.run("tevreden.explain().then(([one]) => one.reason)") == "seen"
    tab.close()
    visit.window.to_front()
    visit.answer("Satisfied")
    visitor().open().expect_shown()


def test_small_window_is_a_small_screen(visit: Visit) -> None:
    visit.site.publish(where={"small_screens": False}, frequency={"unanswered": "always"})
    visit.window.resize(500, 700)
    visit.open().expect_not_shown(because="screen")
    visit.window.resize(1000, 700)
    visit.reload().expect_shown()


def test_survey_that_shows_is_noticed(visit: Visit) -> None:
    visit.site.publish()
    visit.open()
    with pytest.raises(AssertionError):
        visit.expect_not_shown()


def test_errors_of_a_page_are_told(visit: Visit) -> None:
    visit.head = """<script>
      setTimeout(() => { throw new Error("thrown") });
      Promise.reject(new Error("rejected"));
      console.error("said");
    </script>"""
    visit.window.open("http://shop.example/")
    visit.window.until("new Promise((done) => setTimeout(() => done(true), 20))")
    visit.window.open("http://shop.example/next")
    errors = " ".join(visit.window.errors)
    assert all(word in errors for word in ("thrown", "rejected", "said")), errors


def test_nothing_but_the_stage_is_within_reach(visit: Visit) -> None:
    visit.pages["http://api.example/text"] = Reply(headers={"Access-Control-Allow-Origin": "*"}, body="text")
    visit.window.open("http://shop.example/")
    ask = "(url) => fetch(url).then((reply) => reply.text(), () => 'refused')"
    assert visit.window.run(ask, "http://api.example/text") == "text"
    for url in ("http://api.example/other", "https://api.example/text", "http://192.0.2.1/"):
        assert visit.window.run(ask, url) == "refused"


def test_page_that_spoils_json_takes_an_answer(visit: Visit) -> None:
    visit.site.publish()
    visit.head = "<script>Object.prototype.toJSON = String.prototype.toJSON = () => 'spoilt'</script>"
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.send()
    assert stored(visit)["score"] == 4
    assert visit.window.run("'a text'.toJSON()") == "spoilt"
