"""The editor: saved place by place, by script or by a form, alone or with someone else; translations; the review."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from collector.access.signing import Signing
from collector.surveys.document import SurveyDocument
from collector.surveys.metrics import GROUPS
from collector.web.admin.fields import PLACES, TAB_WORDS, TABS, fields_in, in_words, read_field
from tests.conftest import SECRET, App, add_site
from tests.editor import SCRIPT, Editor, documents, values_in, write
from tests.pages import plain
from tests.signed_in import EVIL, post

NEW = SurveyDocument(name="x", metric="csat", question="q").as_json()


def leaves(value: Any, at: str = "") -> list[str]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in leaves(inner, f"{at}/{key}".lstrip("/"))]
    return [at]


def test_every_place_of_the_document_has_a_field() -> None:
    """Translations have a tab of their own; there is one audience as yet, so nothing to choose."""
    assert set(leaves(NEW)) - {"translations", "who/audience"} == set(PLACES)


def at(value: Any, place: str) -> Any:
    for step in place.split("/"):
        value = value[step]
    return value


def document(owner: App) -> dict[str, Any]:
    found: dict[str, Any] = documents(owner)[0]["document"]
    return found


def test_tab_that_is_sent_as_it_came_changes_nothing(owner: App) -> None:
    happy = {"heading": "", "body": "A\n\nB", "link": "https://shop.example/?a=1&b=2", "image": False}
    page = write(
        owner,
        name="Näme",
        question="First\nand “second”?",
        follow_up={"negative": "", "neutral": "Why?"},
        thank_you={"positive": happy},
        where={"include": ["shop.example/a*", "/b"], "exclude": ["/c"], "small_screens": False},
        when={"delay_seconds": 0, "scroll_percent": 50, "exit_intent": True, "event": "paid", "match": "all"},
        frequency={"unanswered": "always", "answered_days": 90, "sample_percent": 10, "priority": -5},
        translations={"en": {"question": "And in English?", "follow_up": {"neutral": ""}}},
    )
    before = document(owner)
    for tab in TAB_WORDS:
        editor = Editor(owner, page, tab)
        assert editor.submit().status_code == 303
        assert "Saved." in editor.autosave()
        assert document(owner) == before, tab


TYPED: tuple[tuple[str, str, str, Any], ...] = (
    ("question", "question", " What?\r\nNow? ", "What?\nNow?"),
    ("question", "language", "ar", "ar"),
    ("question", "metric", "ces", "ces"),
    ("appearance", "appearance/position", "callout-left", "callout-left"),
    ("appearance", "appearance/callout_text", "Tell us", "Tell us"),
    ("appearance", "appearance/color", "#123456", "#123456"),
    ("follow-up", "email_capture/ask", "never", "never"),
    ("follow-up", "follow_up/negative", "Why?", "Why?"),
    ("follow-up", "none:follow_up/negative", "on", ""),
    ("thank-you", "thank_you/positive/link", "https://x.example/", "https://x.example/"),
    ("thank-you", "none:thank_you/positive/image", "on", False),
    ("thank-you", "thank_you/neutral/image", "https://x.example/team.jpg", "https://x.example/team.jpg"),
    ("audience", "where/include", "shop.example/*\r\n\r\n /x \r\n", ["shop.example/*", "/x"]),
    ("audience", "where/small_screens", "", False),
    ("audience", "when/delay_seconds", "5", 5),
    ("audience", "when/exit_intent", "on", True),
    ("audience", "frequency/answered_days", "", None),
    ("audience", "frequency/priority", "-3", -3),
    ("question", "delivery", "link", "link"),
)


@pytest.mark.parametrize("by_script", [False, True], ids=["form", "script"])
def test_what_is_typed_is_stored(owner: App, by_script: bool) -> None:
    page = write(owner)
    for tab, place, typed, stored in TYPED:
        editor = Editor(owner, page, tab)
        editor.change(**{place.replace("/", "__"): typed})
        if by_script:
            assert "Saved." in editor.autosave()
        else:
            reply = editor.submit()
            assert reply.headers["location"] == f"{page}/edit/{tab}?saved"
            assert "Saved." in owner.client.get(reply.headers["location"]).text
        assert at(document(owner), place.removeprefix("none:")) == stored


WRONG = (
    ("question", "question", "", "must not be empty"),
    ("question", "name", "Taken", "already has this name"),
    ("appearance", "appearance/color", "red", "such as #0b7a75"),
    ("question", "metric", "custom", "must be"),
    ("thank-you", "thank_you/positive/link", "javascript:alert(1)", "must be a web address"),
    ("thank-you", "thank_you/positive/image", "team.jpg", "must be a web address"),
    ("question", "question", "Hi {contact.first_name}, how was it?", "has a token without a default value"),
    ("audience", "where/include", "/fine\nhttp://", "there is no host"),
    ("audience", "when/delay_seconds", "soon", "must be a whole number"),
    ("audience", "when/scroll_percent", "101", "less than or equal to 100"),
    ("audience", "frequency/unanswered_days", "", "must be a whole number"),
)
BESIDE = {
    "question": "name",
    "appearance": "appearance/callout_text",
    "thank-you": "thank_you/positive/body",
    "audience": "when/event",
}


def test_what_wont_do_is_told_in_its_place_and_the_rest_is_saved(owner: App) -> None:
    write(owner, name="Taken")
    page = write(owner, name="Other", appearance={"position": "callout-left"})
    for number, (tab, place, typed, said) in enumerate(WRONG):
        for by_script in (True, False):
            before = at(document(owner), place)
            editor = Editor(owner, page, tab)
            beside, there = f"Saved beside {number} {by_script}", "question" if place == "name" else BESIDE[tab]
            editor.change(**{place.replace("/", "__"): typed, there.replace("/", "__"): beside})
            text = editor.autosave() if by_script else editor.submit().text
            (line,) = re.findall(rf'id="{place.replace("/", "-")}-wrong"[^>]*>([^<]*)<', text)
            assert said in html.unescape(line)
            if not by_script and place != "metric":
                assert values_in(text)[place] == typed, "what was typed is still there"
            assert at(document(owner), place) == before
            assert at(document(owner), there) == beside


def test_two_who_edit_different_places_both_have_what_they_wrote(owner: App) -> None:
    page = write(owner)
    first, second = Editor(owner, page, "question"), Editor(owner, page, "question")
    first.change(question="From the first?")
    second.change(name="From the second")
    assert "Saved." in first.autosave()
    said = second.autosave()
    assert "Saved." in said
    assert "Someone else changed Question" in plain(said)
    second.change(name="From the second, again")
    second.autosave()
    stored = document(owner)
    assert stored["question"] == "From the first?", "what the second still sees is not written over it"
    assert stored["name"] == "From the second, again"


@pytest.mark.parametrize("by_script", [False, True], ids=["form", "script"])
def test_two_who_edit_one_place_are_told(owner: App, by_script: bool) -> None:
    page = write(owner)
    first, second = Editor(owner, page, "question"), Editor(owner, page, "question")
    first.change(question="From the first?")
    assert first.submit().status_code == 303
    second.change(question="From the second?")
    if by_script:
        text = second.autosave()
    else:
        text = second.submit().text
        second.form = values_in(text)
        assert second.form["question"] == "From the second?", "nothing that was typed is lost"
    assert "someone else meanwhile, to “From the first?”" in html.unescape(text)
    assert document(owner)["question"] == "From the first?"
    if by_script:
        second.change(question="From the second, knowingly?")
    second.autosave()
    assert document(owner)["question"].startswith("From the second"), "now they know"


def test_what_is_fixed_after_the_first_publish_stays(owner: App) -> None:
    page = write(owner)
    post(owner, f"{page}/publish")
    editor = Editor(owner, page, "question")
    assert {"metric", "scale", "delivery"}.isdisjoint(editor.form), "they are disabled"
    editor.change(metric="csat", scale="5", delivery="link", question="Another?")
    assert "Saved." in editor.autosave()
    stored = document(owner)
    assert (stored["metric"], stored["delivery"], stored["question"]) == ("nps", "web", "Another?")


def test_tab_of_nothing_is_not_found(owner: App) -> None:
    page = write(owner)
    assert owner.client.get(f"{page}/edit/nothing").status_code == 404
    assert owner.client.get(f"{page}/edit/translations?language=fr").status_code == 404
    post(owner, f"{page}/archive")
    assert owner.client.get(f"{page}/edit/question").headers["location"] == page
    assert owner.client.get(f"{page}/review").status_code == 200


@pytest.mark.parametrize("base", [None, "", "[]", "{", "[" * 100_000])
def test_form_without_what_stood_there_is_refused(owner: App, base: str | None) -> None:
    page = write(owner)
    fields = {"question": "Lost?"} if base is None else {"question": "Lost?", "base": base}
    reply = post(owner, f"{page}/edit/question", None, **fields)
    assert reply.status_code == (413 if base and len(base) > 70_000 else 400)
    assert document(owner)["question"] != "Lost?"


def test_base_that_names_what_is_no_field_changes_nothing(owner: App) -> None:
    page = write(owner)
    before = document(owner)
    base = json.dumps({"translations": {}, "who/audience": "all", "question": before["question"]})
    fields = {"base": base, "translations": "x", "who/audience": "x", "question": before["question"]}
    assert post(owner, f"{page}/edit/question", None, **fields).status_code == 303
    assert document(owner) == before


def test_whoever_is_signed_out_is_told_and_loses_nothing(owner: App) -> None:
    page = write(owner)
    editor = Editor(owner, page, "question")
    owner.client.cookies.clear()
    reply = owner.client.post(editor.address, data=editor.form, headers=SCRIPT)
    assert reply.status_code == 401
    assert "you are signed out" in reply.text
    assert editor.submit().headers["location"] == "/admin/sign-in"


def test_what_is_being_typed_is_drawn_and_not_saved(owner: App) -> None:
    page = write(owner)
    tab = Editor(owner, page, "question")
    before = documents(owner)[0]
    tab.change(question="Still typing?", name="")
    reply = owner.client.post(f"{page}/draw/question", data=tab.form, headers=SCRIPT)
    assert reply.status_code == 200
    assert 'id="drawn"' in reply.text
    assert "Still typing?" in reply.text
    assert documents(owner)[0] == before
    assert owner.client.post(f"{page}/draw/nothing", data=tab.form, headers=SCRIPT).status_code == 404
    assert owner.client.post(f"{page}/draw/question", data=tab.form).status_code == 403, "from elsewhere"


# ---- translations


def test_language_is_added_filled_in_and_removed(owner: App) -> None:
    page = write(owner, follow_up={"negative": "Wat dan?"}, thank_you={"positive": {"heading": "Fijn!"}})
    reply = post(owner, f"{page}/languages/add", None, language="fr", question=" Et vous ? ")
    assert reply.headers["location"] == f"{page}/edit/translations?language=fr"
    text = owner.client.get(reply.headers["location"]).text
    assert "2 missing" in plain(text)
    assert text.count(">Missing</span>") == 2
    assert "Wat dan?" in text
    editor = Editor(owner, page, "translations")
    editor.change(translations__fr__follow_up__negative="Quoi ?")
    assert "Saved." in editor.autosave()
    stored = document(owner)["translations"]["fr"]
    assert (stored["question"], stored["follow_up"]["negative"]) == ("Et vous ?", "Quoi ?")
    assert "1 of the texts you wrote is not translated" in owner.client.get(f"{page}/review").text
    assert post(owner, f"{page}/languages/remove", None, language="fr").status_code == 303
    assert document(owner)["translations"] == {}
    editor.address += "?language=fr"
    assert editor.submit().status_code == 404, "someone who still has it open is told"


@pytest.mark.parametrize(
    ("language", "question", "place"),
    [
        ("fr", " ", "question"),
        ("tlh", "Q", "language"),
        ("nl", "Q", "language"),
        ("en", "Q", "language"),
        ("", "Q", "language"),
    ],
)
def test_language_that_wont_do_is_told(owner: App, language: str, question: str, place: str) -> None:
    page = write(owner, translations={"en": {"question": "And now?"}})
    reply = post(owner, f"{page}/languages/add", None, language=language, question=question)
    assert reply.status_code == 422
    assert f'id="add-{place}-wrong" role="alert"' in reply.text
    assert list(document(owner)["translations"]) == ["en"]
    assert post(owner, f"{page}/languages/remove", None, language="fr").status_code == 404


# ---- the review and the preview


def test_review_says_every_setting_and_what_is_wrong(owner: App) -> None:
    page = write(
        owner,
        where={"include": ["shop.example/order/*"], "exclude": ["shop.example/*"]},
        appearance={"color": "#ffffff", "scheme": "light"},
        thank_you={"negative": {"link_text": "More"}},
    )
    text = owner.client.get(f"{page}/review").text
    said = plain(text)
    assert "It shows nowhere: “shop.example/*” excludes every page" in said
    assert f"{page}/edit/audience#where-exclude" in text
    assert "leads nowhere" in said
    assert f"{page}/edit/thank-you#thank_you-negative-link" in text
    assert "hardly stands out on a light card" in said
    assert "Publish anyway" in said
    for sections in TABS.values():
        for field in fields_in(sections):
            if not field.only:
                assert f"<dt>{field.label}</dt>" in text, field.at
    for group in GROUPS:
        assert document(owner)["follow_up"][group] is None
    assert "Wat ging er mis? (standard)" in said


def test_review_says_what_a_publish_would_change(owner: App) -> None:
    page = write(owner, translations={"en": {"question": "One?"}, "de": {"question": "Eins?"}})
    assert "What goes live" in owner.client.get(f"{page}/review").text
    post(owner, f"{page}/publish")
    assert "Published as it is here" in owner.client.get(f"{page}/review").text
    survey = documents(owner)[0]
    changed = {
        **survey["document"],
        "question": "Heel anders?",
        "when": {**survey["document"]["when"], "delay_seconds": 7},
        "translations": {"en": {"question": "Two?"}, "fr": {"question": "Un ?"}},
    }
    owner.site.call("PUT", f"/surveys/{survey['id']}", changed)
    said = plain(owner.client.get(f"{page}/review").text)
    for wanted in (
        "Question · Question Hoe waarschijnlijk",
        "Heel anders?",
        "Audience · Time on page – 7 seconds",
        "Translations · Deutsch there removed",
        "Translations · Français – added",
        "English · Question One? Two?",
    ):
        assert wanted in said, wanted
    post(owner, f"{page}/publish")
    post(owner, f"{page}/pause")
    assert "It was paused, and goes live again as revision 2" in owner.client.get(f"{page}/review").text


def test_link_shows_the_draft_for_a_week(owner: App) -> None:
    page = write(owner, question="Only a draft?", where={"include": ["/never"]})
    reply = post(owner, f"{page}/test", None, address=" shop.example/order?id=7#top ")
    (link,) = re.findall(r'href="(https://shop[^"]*)"', reply.text)
    address, _, token = html.unescape(link).removesuffix("#top").partition("tevreden=test.")
    assert address == "https://shop.example/order?id=7&"
    file = f"/w/{owner.site.key}/test/{token}.json"
    found = owner.client.get(file)
    assert "Only a draft?" in found.text
    assert found.headers["access-control-allow-origin"] == "*"
    assert found.headers["cache-control"] == "no-store"
    assert "Only a draft?" not in owner.client.get(f"/w/{owner.site.key}.json").text
    foreign = add_site(owner.client, "", owner.site.token)
    changed = "y" if file[-9] == "x" else "x"
    for other in (
        file[:-9] + changed + file[-8:],
        file.replace(owner.site.key, foreign.key),
        file.replace(token, "x.y"),
    ):
        assert owner.client.get(other).status_code == 404, other


def test_link_ends() -> None:
    signing = Signing(SECRET)
    site, survey, now = "abcdefghjkmn", UUID(int=2), datetime(2026, 1, 1, tzinfo=UTC)
    token = signing.test_token(site, survey, now + timedelta(days=7))
    assert signing.read_test(site, token, now=now + timedelta(days=6)) == survey
    assert signing.read_test(site, token, now=now + timedelta(days=7)) is None
    assert signing.read_test("bcdefghjkmnp", token, now=now) is None
    assert signing.read_test(site, "ä.ö", now=now) is None


def test_link_to_what_is_no_page_is_refused(owner: App) -> None:
    page = write(owner)
    for address in (
        "",
        "shop",
        "/order",
        "javascript:alert(1)",
        "ftp://x.example",
        "http://[",
        "https://",
        "a\nb",
        "x" * 3000,
    ):
        reply = post(owner, f"{page}/test", None, address=address)
        assert reply.status_code == 422, address
        assert "must be the web address of a page" in reply.text
        assert "tevreden=test" not in reply.text


def test_preview_is_framed_by_us_alone(owner: App) -> None:
    page = write(owner)
    reply = owner.client.get(f"{page}/preview")
    assert "frame-ancestors 'self'" in reply.headers["content-security-policy"]
    assert "unsafe" not in reply.headers["content-security-policy"]
    framing = owner.client.get(f"{page}/edit/question").headers["content-security-policy"]
    assert "frame-src 'self'" in framing
    assert "frame-ancestors 'none'" in framing


@pytest.mark.parametrize("evil", EVIL)
def test_what_is_typed_into_any_field_is_text(owner: App, evil: str) -> None:
    page = write(owner)
    for tab in TABS:
        editor = Editor(owner, page, tab)
        for field in fields_in(TABS[tab]):
            if field.kind != "flag":
                editor.form[field.at] = evil
        for text in (editor.submit().text, editor.autosave()):
            assert evil not in text, tab
    for path in ("/review", *(f"/edit/{tab}" for tab in TAB_WORDS)):
        assert evil not in owner.client.get(page + path).text, path


def test_field_reads_what_it_writes() -> None:
    for _, _, field in PLACES.values():
        if field.kind == "choice":
            for key, words in field.options:
                assert in_words(field, read_field(field, {field.at: key})) == words
