"""Who a visitor is, what is kept of them, and what is not."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit, Visitor


def cookie(visit: Visit) -> dict[str, str]:
    found = [one for one in visit.context.cookies() if one["name"].startswith("tv_")]
    return dict(found[0]) if found else {}  # type: ignore[arg-type]


def test_cookie_comes_with_the_first_survey_on_the_widest_domain(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "always"})
    visit.open("https://www.shop.example/").expect_shown()
    visit.settle()
    one = cookie(visit)
    assert one["domain"] == ".shop.example"
    assert one["sameSite"] == "Lax"
    assert one["secure"]
    token = one["value"].split("!")[0]
    assert len(token) > 40
    visit.open("https://my.deep.shop.example/").expect_shown()
    visit.answer("Satisfied")
    visit.settle()
    assert cookie(visit)["value"].split("!")[0] == token


def test_seen_on_one_subdomain_is_seen_on_the_other(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "never"})
    visit.open("https://www.shop.example/").expect_shown()
    visit.settle()
    visit.requests.clear()
    visit.open("https://my.shop.example/").expect_not_shown(because="seen")


def test_the_same_visitor_answers_two_surveys(visit: Visit) -> None:
    visit.site.change(frequency={"once_per_session": False})
    visit.site.publish(where={"include": ["/a"]})
    visit.site.publish(where={"include": ["/b"]})
    for path in ("a", "b"):
        visit.open(f"https://shop.example/{path}").expect_shown()
        visit.answer("Satisfied")
        visit.settle()
    first, second = visit.site.responses()
    assert first["visitor"] == second["visitor"] is not None


def test_forged_cookie_makes_a_new_visitor(visit: Visit) -> None:
    visit.site.publish()
    forged = "AaIAgPhKc66g62UncJbLaw.bDRvH1KzsK-R2acUD3SyMWBzyHBR3Mt-joiB_ZWyLwo"
    url = "https://shop.example/"
    visit.context.add_cookies([{"name": f"tv_{visit.site.key}", "value": forged, "url": url}])
    visit.open(url).expect_shown()
    visit.answer("Satisfied")
    visit.settle()
    (response,) = visit.site.responses()
    assert response["visitor"]
    assert forged not in cookie(visit)["value"]


def test_where_cookies_fail_local_storage_remembers(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "never"})
    visit.head = "<script>Object.defineProperty(document, 'cookie', {get: () => '', set() {}})</script>"
    visit.open().expect_shown()
    visit.settle()
    visit.requests.clear()
    visit.open().expect_not_shown(because="seen")


def test_consent_required_keeps_and_sends_nothing_until_it_is_given(visit: Visit) -> None:
    visit.site.publish()
    visit.tag_options = 'data-consent="required"'
    visit.open()
    visit.page.evaluate("tevreden.explain().then(([one]) => tevreden.show(one.survey))")
    visit.expect_not_shown()
    assert len(visit.to_collector()) == 1
    assert visit.context.cookies() == []
    visit.page.evaluate("tevreden.push(['consent', true])")
    visit.expect_shown()


def test_consent_withdrawn_removes_everything(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "always"})
    visit.tag_options = 'data-consent="required"'
    visit.head = "<script>(window.tevreden ||= []).push(['consent', true])</script>"
    visit.open().expect_shown()
    visit.settle()
    assert cookie(visit)
    visit.page.evaluate("tevreden.consent(false)")
    expect(visit.survey).to_have_count(0)
    visit.page.wait_for_function("document.cookie == ''")
    assert visit.context.cookies() == []
    assert visit.page.evaluate("localStorage.length") == 0
    visit.requests.clear()
    visit.page.evaluate("tevreden.event('anything')")
    visit.expect_not_shown()


def test_global_privacy_control_sends_no_visitor_and_keeps_only_what_was_seen(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "never"})
    visit.head = """<script>Object.defineProperty(navigator, 'globalPrivacyControl', {get: () => true});
      (window.tevreden ||= []).push(['identify', {email: 'jo@example.com'}])</script>"""
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.settle()
    (response,) = visit.site.responses()
    assert response["visitor"] is None
    assert response["email"] is None
    assert cookie(visit)["value"].startswith("!")
    visit.requests.clear()
    visit.open().expect_not_shown(because="answered")


def test_signed_identity_is_verified_and_is_not_asked_for_its_address(visit: Visit) -> None:
    visit.site.publish()
    email = "jo@example.com"
    signature = hmac.new(visit.site.identify_secret.encode(), email.encode(), hashlib.sha256).hexdigest()
    visit.head = f"""<script>(window.tevreden ||= []).push(
      ['identify', {{email: 'Jo@Example.com', plan: 'pro'}}, '{signature}'])</script>"""
    visit.open().expect_shown()
    visit.answer("Satisfied")
    with visit.page.expect_response(lambda reply: '"complete":true' in (reply.request.post_data or "")):
        visit.survey.get_by_role("button", name="Send").click()
    expect(visit.survey).to_have_attribute("data-state", "thanks")
    (response,) = visit.site.responses()
    assert (response["email"], response["email_verified"]) == ("Jo@Example.com", True)


def test_identity_with_a_wrong_signature_stays_a_claim(visit: Visit) -> None:
    visit.site.publish()
    visit.head = """<script>(window.tevreden ||= []).push(
      ['identify', {email: 'boss@example.com'}, '0000'])</script>"""
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.send()
    (response,) = visit.site.responses()
    assert (response["email"], response["email_verified"]) == ("boss@example.com", False)


def test_consent_withdrawn_on_a_later_page_removes_everything(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "always"})
    visit.tag_options = 'data-consent="required"'
    visit.head = "<script>(window.tevreden ||= []).push(['consent', true])</script>"
    visit.open().expect_shown()
    visit.settle()
    assert cookie(visit)
    visit.head = ""
    visit.open()
    visit.requests.clear()
    visit.page.evaluate("tevreden.consent(false)")
    assert visit.context.cookies() == []
    assert visit.to_collector() == []


def test_consent_given_after_loading_sends_what_waits(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "always"})
    visit.tag_options = 'data-consent="required"'
    visit.context.route("**/answers", lambda route: route.abort())
    visit.open()
    visit.page.evaluate("tevreden.consent(true)")
    visit.expect_shown()
    visit.answer("Satisfied")
    visit.context.unroute("**/answers")
    visit.open("http://shop.example/next")
    visit.page.evaluate("tevreden.consent(true)")
    visit.settle()
    assert len(visit.site.responses()) == 1


@pytest.mark.parametrize("way", ["async", ""])
def test_calls_made_while_the_page_still_loads_are_heard(visit: Visit, way: str) -> None:
    visit.site.tag = visit.site.tag.replace("async", way)
    visit.site.publish()
    visit.tag_options = 'data-consent="required"'
    visit.body = """<script>(window.tevreden ||= []).push(['identify', {email: 'jo@example.com'}]);
      (window.tevreden ||= []).push(['consent', true])</script>"""
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.send()
    assert visit.site.responses()[0]["email"] == "jo@example.com"


def test_waiting_answer_stays_with_whoever_gave_it(visit: Visit) -> None:
    def person(email: str) -> str:
        signature = hmac.new(visit.site.identify_secret.encode(), email.encode(), hashlib.sha256).hexdigest()
        return f"<script>(window.tevreden ||= []).push(['identify', {{email: '{email}'}}, '{signature}'])</script>"

    visit.site.publish()
    visit.context.route("**/answers", lambda route: route.abort())
    visit.head = person("anna@example.com")
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.context.unroute("**/answers")
    visit.head = person("bob@example.com")
    visit.open("http://shop.example/next")
    visit.settle()
    (response,) = visit.site.responses()
    assert (response["email"], response["email_verified"]) == ("anna@example.com", True)


@pytest.mark.parametrize(
    "claim", ["{email: 'x'.repeat(70000)}", "{email: ''}", "{email: 7}, 7", "null", "{}", "'jo@example.com'"]
)
def test_identity_that_is_none_costs_no_answer(visit: Visit, claim: str) -> None:
    visit.site.publish()
    visit.head = f"<script>(window.tevreden ||= []).push(['identify', {claim}])</script>"
    visit.open().expect_shown()
    visit.page.evaluate(f"tevreden.identify({claim})")
    visit.answer("Satisfied")
    visit.send()
    (response,) = visit.site.responses()
    assert (response["email"], response["email_verified"]) == (None, False)
    assert visit.errors == []


def test_reset_forgets_the_visitor_and_loses_no_answer(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "always"})
    visit.open("https://shop.example/").expect_shown()
    visit.settle()
    before = cookie(visit)["value"].split("!")[0]
    visit.context.route("**/answers", lambda route: route.abort())
    visit.answer("Satisfied")
    visit.page.evaluate("tevreden.reset()")
    expect(visit.survey).to_have_count(0)
    assert visit.context.cookies() == []
    visit.page.wait_for_function("Object.values(localStorage).some((text) => text.includes('\"old\":true'))")
    visit.context.unroute("**/answers")
    visit.open("https://shop.example/next").expect_shown()
    visit.settle()
    assert len(visit.site.responses()) == 1
    assert cookie(visit)["value"].split("!")[0] != before


def test_who_comes_after_a_reset_is_someone_else(visit: Visit) -> None:
    visit.site.publish(where={"include": ["/"]})
    visit.site.publish(where={"include": ["/b"]})
    visit.context.route("**/answers", lambda route: route.abort())
    visit.open("https://shop.example/").expect_shown()
    visit.answer("Satisfied")
    visit.page.evaluate("tevreden.reset()")
    visit.page.evaluate("history.pushState({}, '', '/b')")
    visit.expect_shown()
    visit.answer("Dissatisfied")
    visit.context.unroute("**/answers")
    visit.page.evaluate("dispatchEvent(new Event('online'))")
    visit.settle()
    first, second = visit.site.responses()
    assert first["visitor"] != second["visitor"]
    assert cookie(visit)["value"].split("!")[0]


def test_consent_withdrawn_by_who_hears_that_it_was_shown(visit: Visit) -> None:
    visit.site.publish()
    visit.head = (
        "<script>document.addEventListener('tevreden:shown', () => tevreden.consent(window.heard = false))</script>"
    )
    visit.open()
    visit.page.wait_for_function("window.heard === false")
    expect(visit.survey).to_have_count(0)
    assert visit.context.cookies() == []


def test_consent_that_comes_back_while_loading_shows(visit: Visit) -> None:
    visit.site.publish()
    held: list[Route] = []
    visit.context.route("**/w/ui-*.js", lambda route: held.append(route))  # noqa: PLW0108  as in conftest
    visit.open()
    visit.page.evaluate("tevreden.consent(false)")
    visit.page.evaluate("tevreden.consent(true)")
    held[0].continue_()
    visit.expect_shown()


def test_late_reply_does_not_bring_a_forgotten_visitor_back(visit: Visit) -> None:
    visit.site.publish()
    held: list[Route] = []
    visit.context.route("**/answers", lambda route: held.append(route))  # noqa: PLW0108  as in conftest
    visit.open().expect_shown()
    visit.page.wait_for_function("document.cookie")
    visit.page.evaluate("tevreden.reset()")
    visit.context.unroute("**/answers")
    with visit.page.expect_response("**/answers"):
        held[0].continue_()
    visit.page.evaluate("new Promise((done) => setTimeout(done, 50))")
    assert visit.context.cookies() == []


def test_reset_forgets_the_visitor(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "always"})
    visit.open().expect_shown()
    visit.settle()
    visit.page.evaluate("tevreden.reset()")
    visit.page.wait_for_function("document.cookie == ''")
    expect(visit.survey).to_have_count(0)


def test_two_visitors_are_two(visitor: Visitor) -> None:
    one, other = visitor(), visitor()
    one.site.publish()
    for visit in (one, other):
        visit.open().expect_shown()
        visit.answer("Satisfied")
        visit.settle()
    visitors = {response["visitor"] for response in one.site.responses()}
    assert len(visitors) == 2
