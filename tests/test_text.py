"""What is text, wherever someone types it; and that no text, whatever is in it, is too much for a store."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from collector.db.text import folded, is_blank, is_text, readable_name
from collector.errors import Invalid
from collector.surveys.document import read_document
from tests.conftest import CONTRACT, App
from tests.documents import SMALLEST
from tests.editor import Editor
from tests.events import response
from tests.pages import comments
from tests.signed_in import post

SEARCHES: list[dict[str, Any]] = json.loads((CONTRACT / "searches.json").read_text("utf-8"))
NAMES = ["Shop\u00a0Nord", "می\u200cخواهم", "क्\u200dष", "店\u3000舗", "👩\u200d🔧 Repairs", "Ünï"]
"""With U+00A0, U+200C, U+200D and U+3000, as people write them."""
BLANK = ["\u200b", "\u200b\u200d", " \u2060 ", "\ufeff", "\u3164", "\u00ad", "\u2800", "\u3000\u00a0"]
BROKEN = ["a\0b", "a\x1bb", "a\x7fb", "a\x85b"]


@pytest.mark.parametrize("name", NAMES)
def test_name_in_any_script_is_a_name(owner: App, name: str) -> None:
    assert readable_name(f"  {name} ") == name
    assert post(owner, "/admin/sites/add", None, name=name).status_code in (200, 303)
    assert name in owner.client.get("/admin/sites").text
    assert owner.site.publish(name=name)["name"] == name


@pytest.mark.parametrize("blank", BLANK)
def test_text_of_which_nothing_is_seen_is_none(owner: App, blank: str) -> None:
    assert is_blank(blank)
    with pytest.raises(Invalid) as refused:
        readable_name(blank)
    assert "visible text" in refused.value.faults[0].detail
    for place in ("name", "question"):
        with pytest.raises(Invalid):
            read_document({**SMALLEST, place: blank})
    survey = owner.site.publish()
    owner.send(response(survey, comment=blank))
    assert owner.site.responses()[0]["comment"] is None


@pytest.mark.parametrize("broken", BROKEN)
def test_name_with_a_control_character_is_refused_with_the_reason(owner: App, broken: str) -> None:
    assert not is_text(broken)
    with pytest.raises(Invalid) as refused:
        readable_name(broken)
    assert refused.value.faults[0].detail == "must be one line of text without control characters"
    survey = owner.site.publish()
    editor = Editor(owner, f"/admin/{owner.site.key}/{survey['id']}", "question")
    editor.change(name=broken, question="Still saved?")
    reply = editor.submit()
    assert reply.status_code == 422
    assert "without control characters" in reply.text
    assert "Still saved?" in owner.client.get(editor.address).text, "the rest of the tab is saved"


@pytest.mark.parametrize("case", SEARCHES, ids=lambda case: str(case["comment"]))
def test_same_words_are_the_same_folded(case: dict[str, Any]) -> None:
    for words in case["found_by"]:
        assert folded(words) in folded(case["comment"])
    for words in case["not_by"]:
        assert folded(words) not in folded(case["comment"])


def test_search_finds_the_same_on_every_store(owner: App) -> None:
    survey = owner.site.publish()
    owner.send(*(response(survey, comment=case["comment"]) for case in SEARCHES))
    page = f"/admin/{owner.site.key}/{survey['id']}/responses"
    for case in SEARCHES:
        for words in (*case["found_by"], *case["not_by"]):
            reply = owner.client.get(f"{page}?{urlencode({'words': words})}").text
            wanted = {one["comment"] for one in SEARCHES if folded(words) in folded(one["comment"])}
            assert set(comments(reply)) == wanted, words
            assert (case["comment"] in wanted) == (words in case["found_by"])
            assert "Clear filters" in reply or wanted, "the filter stands"


@pytest.mark.parametrize("nul", ["%00", "a%00b", "%ff", "%ED%A0%80", "%E2%80%8B"])
def test_no_text_in_an_address_is_too_much_for_a_store(owner: App, nul: str) -> None:
    survey = owner.site.publish()
    home = f"/admin/{owner.site.key}/{survey['id']}"
    at = f"/admin/{owner.site.key}"
    asked = (
        *(f"/s/{nul}-{survey['key']}", f"/s/{owner.site.key}-{nul}", f"/s/{owner.site.key}-{nul}.js"),
        *(f"/w/{nul}.js", f"/w/{nul}.json", f"/w/{owner.site.key}/test/{nul}.json", f"/w/ui-{nul}.js"),
        *(f"/admin/{nul}/new", f"/admin/{nul}/{survey['id']}", f"{home}/edit/{nul}", f"{home}/responses.{nul}"),
        *(f"{home}?words={nul}", f"{home}?cursor={nul}", f"{home}?group={nul}&from={nul}", f"{home}/news?known={nul}"),
        *(f"{home}/edit/translations?language={nul}", f"/admin/log?before={nul}"),
        *(
            f"{at}/responses?{name}={nul}"
            for name in ("words", "page", "device", "language", "revision", "survey", "score")
        ),
        *(f"{at}/surveys?{name}={nul}" for name in ("words", "status", "delivery", "sort", "deleted")),
        *(f"{home}?{name}={nul}" for name in ("by", "page", "from", "period", "known")),
        *(f"/admin/join/{nul}", f"/admin/welcome/{nul}", f"/admin/reset/{nul}", f"/admin/sign-on/back?state={nul}"),
    )
    for path in asked:
        assert owner.client.get(path).status_code < 500, path
    written = (
        *(f"/admin/users/joining/{nul}/withdraw", f"/admin/account/sessions/{nul}/end", f"{home}/{nul}"),
        *(f"/admin/{nul}/new", f"/admin/reset/{nul}", f"/admin/join/{nul}", f"/admin/welcome/{nul}"),
    )
    for path in written:
        assert post(owner, path, None, password="a few words of one's own").status_code < 500, path
    for path in ("/surveys", "/responses", "/webhooks"):
        for name in ("site", "cursor", "limit", "survey", "since", "group"):
            reply = owner.site.http.get(
                f"{owner.site.url}/api/v1{path}?{name}={nul}", headers={"Authorization": f"Bearer {owner.site.token}"}
            )
            assert reply.status_code < 500, (path, name)
    wrong = owner.site.http.get(f"{owner.site.url}/api/v1/sites/{nul}", headers={"Authorization": f"Bearer x{nul}"})
    assert wrong.status_code < 500


@pytest.mark.parametrize("text", ["a\0b", "\0", "x\0@example.com", "\u200b@example.com"])
def test_no_text_in_a_form_is_too_much_for_a_store(owner: App, text: str) -> None:
    survey = owner.site.publish()
    home = f"/admin/{owner.site.key}/{survey['id']}"
    forms: list[tuple[str, dict[str, str]]] = [
        ("/admin/sites/add", {"name": text}),
        ("/admin/teams/add", {"name": text}),
        ("/admin/tokens", {"name": text, "scope": "read", "site": text}),
        ("/admin/users/invite", {"email": text, "role": "viewer", "site": text}),
        ("/admin/users/invite", {"email": text, "role": text}),
        (f"/admin/{owner.site.key}/new", {"template": text, "language": text}),
        (f"{home}/languages/add", {"language": text, "question": text}),
        (f"{home}/languages/add", {"language": "fr", "question": text}),
        (f"{home}/languages/remove", {"language": text}),
        (f"{home}/test", {"address": text}),
        ("/admin/account/password", {"current": text, "password": text}),
        ("/admin/account/second-step", {"setup": text, "current": text, "code": text}),
        ("/admin/sign-in", {"email": text, "password": text}),
        ("/admin/sign-in/code", {"pending": text, "code": text}),
    ]
    for path, form in forms:
        assert post(owner, path, None, **form).status_code < 500, path
    for document in ({"name": text}, {"question": text}, {"name": "fine", "question": text}, {"language": text}):
        assert owner.site.call("POST", "/surveys", {**SMALLEST, **document}).status_code < 500
    assert owner.site.call("POST", "/webhooks", {"url": f"https://example.com/{text}"}).status_code < 500


@pytest.mark.parametrize("comment", ["\u0344" * 6000 + "\u0316" * 4000, "\u0316\u0301" * 5000, "\u0f73" * 10_000])
def test_comment_of_nothing_but_marks_costs_a_search_no_more_than_another(comment: str) -> None:
    def cost(text: str) -> float:
        """Seconds of processor, at best."""
        found = []
        for _ in range(3):
            began = time.process_time()
            folded(text)
            found.append(time.process_time() - began)
        return min(found)

    assert cost(comment) <= 10 * cost("e\u0301" * 5000)
    assert folded("e" + "\u0301" * 31) == folded("e" + "\u0301" * 30)
