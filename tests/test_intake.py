"""Taking answers in: what is stored, what is refused, and what sending again changes."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.db.schema import impressions
from tests.conftest import App
from tests.events import JSON, PAGE, impression, response


@pytest.fixture
def survey(app: App) -> dict[str, Any]:
    return app.site.publish()


def test_answer_is_stored_with_its_circumstances(app: App, survey: dict[str, Any]) -> None:
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1"
    shown = impression(survey)
    given_ = response(survey, impression=shown["id"], comment="Fine", complete=True)
    reply = app.send(shown, given_, headers={"User-Agent": phone})
    assert reply.status_code == 200
    assert reply.json()["stored"] == [shown["id"], given_["id"]]
    (stored,) = app.site.responses()
    wanted = {
        "id": given_["id"],
        "survey": survey["id"],
        "revision": 1,
        "score": 4,
        "group": "positive",
        "comment": "Fine",
        "complete": True,
        "page": PAGE,
        "language": "en",
        "device": "phone",
        "browser": "Mobile Safari",
        "system": "iOS",
        "bot": False,
    }
    assert {key: stored[key] for key in wanted} == wanted


def test_sending_again_changes_nothing(app: App, survey: dict[str, Any]) -> None:
    shown, given_ = impression(survey), response(survey)
    first = app.send(shown, given_)
    before = app.site.responses()
    for _ in range(3):
        again = app.send(shown, given_, visitor=first.json()["visitor"])
        assert again.status_code == 200
        assert again.json()["stored"] == [shown["id"], given_["id"]]
    assert app.site.responses() == before
    assert app.site.results(survey)["counts"]["impressions"] == 1


def test_later_state_replaces_the_earlier(app: App, survey: dict[str, Any]) -> None:
    first = response(survey)
    app.send(first)
    created = app.site.responses()[0]["created_at"]
    app.send({**first, "state": 2, "score": 1, "comment": "No", "complete": True})
    (stored,) = app.site.responses()
    assert (stored["score"], stored["group"], stored["comment"]) == (1, "negative", "No")
    assert (stored["complete"], stored["created_at"]) == (True, created)
    assert app.site.results(survey)["counts"]["scores"] == 1


def test_other_content_without_a_higher_state_is_refused_and_the_first_kept(app: App, survey: dict[str, Any]) -> None:
    first = response(survey, state=3)
    app.send(first)
    for change in ({"score": 1}, {"state": 2, "score": 1}, {"comment": "Other"}):
        reply = app.send({**first, **change})
        assert reply.status_code == 409
        assert reply.json()["permanent"] is True
        assert reply.json()["errors"][0]["at"] == "/events/0/state"
    assert app.site.responses()[0]["score"] == 4


def test_an_id_belongs_to_one_survey(app: App, survey: dict[str, Any]) -> None:
    other = app.site.publish()
    first, shown = response(survey), impression(survey)
    app.send(first, shown)
    reply = app.send({**first, "survey": other["key"], "state": 2})
    assert (reply.status_code, reply.json()["errors"][0]["at"]) == (409, "/events/0/id")
    reply = app.send({**shown, "type": "dismissal", "survey": other["key"]})
    assert (reply.status_code, reply.json()["errors"][0]["at"]) == (409, "/events/0/id")


def test_dismissal_before_its_impression_counts_one_of_each(app: App, survey: dict[str, Any]) -> None:
    shown = impression(survey)
    app.send({**shown, "type": "dismissal"})
    app.send(shown)
    app.send({**shown, "type": "dismissal"})
    counts = app.site.results(survey)["counts"]
    assert (counts["impressions"], counts["dismissals"]) == (1, 1)


def test_visitor_is_given_a_token_once_and_kept(app: App, survey: dict[str, Any]) -> None:
    shown = impression(survey)
    token = app.send(shown).json()["visitor"]
    answered = app.send(response(survey), visitor=token)
    assert "visitor" not in answered.json()
    again = app.send(response(survey), visitor=token)
    assert "visitor" not in again.json()
    assert len({one["visitor"] for one in app.site.responses()}) == 1


def test_token_that_is_not_quite_ours_is_nobody(app: App, survey: dict[str, Any]) -> None:
    token = app.send(impression(survey)).json()["visitor"]
    value, signature = token.split(".")
    other = "A" if signature[0] != "A" else "B"
    forged = ["", ".", token[:-1], token + "A", value, f"{value}.", f".{signature}", f"{value}.{other}{signature[1:]}"]
    for one in [*forged, f"{value}..{signature}", "ü", "\ud800", "\x00", "A" * 3000]:
        assert "visitor" in app.send(response(survey), visitor=one).json(), one
    assert "visitor" not in app.send(response(survey), visitor=token).json()


def test_answer_sent_before_the_token_arrived_belongs_to_its_impression(app: App, survey: dict[str, Any]) -> None:
    shown = impression(survey)
    token = app.send(shown).json()["visitor"]
    late = app.send(response(survey, impression=shown["id"]))
    assert late.json()["visitor"] == token


@pytest.mark.parametrize("secret", [None, "guessed by whoever knows the id"])
@pytest.mark.parametrize("is_anonymous", [False, True])
def test_who_knows_an_id_alone_changes_nothing_and_learns_no_token(
    app: App, survey: dict[str, Any], secret: str | None, is_anonymous: bool
) -> None:
    shown = impression(survey)
    mine = response(survey, impression=shown["id"], identity=signed(app, "anna@example.com"), comment="Mine")
    app.send(shown, mine, anonymous=is_anonymous)
    before = app.site.responses()
    forged = {"score": 1, "comment": "Theirs", "identity": {"email": "eve@example.com", "signature": ""}}
    tries = [
        {**mine, "secret": secret},
        {**mine, "secret": secret, "state": 2, **forged},
        {**mine, "secret": secret, "state": 2**31 - 1},
        {**shown, "secret": secret},
        {**shown, "secret": secret, "type": "dismissal"},
    ]
    other = app.send(impression(survey)).json()["visitor"]
    for sent in tries:
        for visitor in (None, other):
            reply = app.send(sent, **({"visitor": visitor} if visitor else {}))
            assert (reply.status_code, reply.json()["permanent"]) == (409, True), sent
            assert reply.json()["errors"][0]["at"] == "/events/0/secret"
            assert "visitor" not in reply.json()
    assert (app.site.responses(), app.site.results(survey)["counts"]["scores"]) == (before, 1)
    assert app.site.results(survey)["counts"]["dismissals"] == 0
    later = app.send({**mine, "state": 2, "comment": "Still mine"}, anonymous=is_anonymous)
    assert later.status_code == 200
    assert app.site.responses()[0]["comment"] == "Still mine"


def test_answer_cannot_be_tied_to_the_impression_of_another_browser(app: App, survey: dict[str, Any]) -> None:
    shown = impression(survey)
    token = app.send(shown).json()["visitor"]
    reply = app.send(response(survey, impression=shown["id"], secret="of another browser altogether"))
    assert reply.json()["visitor"] != token
    app.send({**shown, "type": "dismissal"})
    assert app.site.results(survey)["counts"]["dismissals"] == 1


def test_lost_reply_is_repeated_with_its_token_where_the_secret_is_the_same(app: App, survey: dict[str, Any]) -> None:
    given_ = response(survey)
    token = app.send(given_).json()["visitor"]
    assert app.send(given_).json()["visitor"] == token


def test_script_that_makes_no_secret_may_change_what_its_known_visitor_sent(app: App, survey: dict[str, Any]) -> None:
    older = {key: value for key, value in response(survey).items() if key != "secret"}
    token = app.send(older).json()["visitor"]
    later = {**older, "state": 2, "comment": "Later"}
    assert app.send(later).status_code == 409
    assert app.send({**later, "secret": "made up afterwards"}).status_code == 409
    assert app.send(later, visitor=token).status_code == 200
    assert app.site.responses()[0]["comment"] == "Later"


def test_secret_is_shown_to_nobody_who_reads_a_response(app: App, survey: dict[str, Any]) -> None:
    app.send(response(survey, secret="plain words of a browser"))
    (stored,) = app.site.responses()
    assert "secret" not in json.dumps(stored)


def test_keys_of_a_newer_script_are_passed_over(app: App, survey: dict[str, Any]) -> None:
    newer = response(survey, mood="fine", identity={**CLAIM, "phone": "1"})
    reply = app.send(newer, shape=3)
    assert reply.json()["stored"] == [newer["id"]]
    assert app.site.responses()[0]["email"] == CLAIM["email"]


def test_token_of_another_site_is_nobody_here(app: App, survey: dict[str, Any]) -> None:
    made = app.client.post(
        "/api/v1/sites", json={"name": "Other"}, headers={"Authorization": f"Bearer {app.site.token}"}
    )
    other = App(app.client, app.folder, type(app.site)(app.client, "", app.site.token, made.json()["key"], "", ""))
    foreign = other.send(impression(other.site.publish())).json()["visitor"]
    assert app.send(impression(survey), visitor=foreign).json()["visitor"] != foreign


CLAIM = {"email": "jo@example.com", "signature": "x"}


def signed(app: App, email: str) -> dict[str, str]:
    signature = hmac.new(app.site.identify_secret.encode(), email.encode(), hashlib.sha256).hexdigest()
    return {"email": email, "signature": signature}


def test_identity_is_the_one_of_the_moment_and_stays_when_a_later_state_has_none(
    app: App, survey: dict[str, Any]
) -> None:
    first = response(survey, identity=signed(app, "anna@example.com"))
    app.send(first)
    app.send({**first, "state": 2, "comment": "Later", "identity": None})
    (stored,) = app.site.responses()
    assert (stored["email"], stored["email_verified"], stored["comment"]) == ("anna@example.com", True, "Later")


@pytest.mark.parametrize(
    "claim", [{"email": ""}, {"email": "jo@example.com", "signature": 5}, {"email": "x" * 300}, "jo", 7, [], {}]
)
def test_claim_that_cannot_be_read_costs_no_answer(app: App, survey: dict[str, Any], claim: Any) -> None:
    assert app.send(response(survey, identity=claim), visitor={"not": "a token"}).status_code == 200
    (stored,) = app.site.responses()
    assert (stored["email"], stored["email_verified"]) == (None, False)


def test_closed_and_reopened_and_answered_is_no_dismissal(app: App, survey: dict[str, Any]) -> None:
    shown = impression(survey)
    app.send(shown, {**shown, "type": "dismissal"}, response(survey, impression=shown["id"]))
    counts = app.site.results(survey)["counts"]
    assert (counts["impressions"], counts["dismissals"], counts["scores"]) == (1, 0, 1)


def test_anonymous_visitor_has_no_id_and_no_address(app: App, survey: dict[str, Any]) -> None:
    reply = app.send(response(survey, identity=CLAIM), anonymous=True)
    assert "visitor" not in reply.json()
    (stored,) = app.site.responses()
    assert (stored["visitor"], stored["email"]) == (None, None)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("https://shop.example/order?token=secret&email=jo@example.com#jo", "https://shop.example/order"),
        ("https://shop.example/order#token=secret?x", "https://shop.example/order"),
        ("https://jo:password@shop.example:8443/a/b?", "https://shop.example:8443/a/b"),
        ("https://shop.example?q=1", "https://shop.example"),
        ("http://localhost:3000/", "http://localhost:3000/"),
        ("https://shop.example/reset;token=secret/a;b", "https://shop.example/reset/a"),
        ("data:text/html,<p>jo@example.com", None),
        ("about:srcdoc", None),
        ("file:///home/jo/page.html", None),
        ("/order?token=secret", None),
        ("", None),
        (None, None),
    ],
)
def test_address_of_a_page_is_stored_without_what_may_be_personal(
    app: App, survey: dict[str, Any], sent: str | None, stored: str | None
) -> None:
    shown = impression(survey, page=sent)
    app.send(shown, response(survey, impression=shown["id"], page=sent))
    assert app.site.responses()[0]["page"] == stored
    assert app.rows(impressions.c.page) == [(stored,)]


def test_with_global_privacy_control_no_page_is_stored(app: App, survey: dict[str, Any]) -> None:
    shown = impression(survey)
    app.send(shown, response(survey, impression=shown["id"]), anonymous=True)
    assert app.site.responses()[0]["page"] is None
    assert app.rows(impressions.c.page, impressions.c.page_label, impressions.c.visitor_id) == [(None, "", None)]


def test_deleted_response_takes_its_impression_along(app: App, survey: dict[str, Any]) -> None:
    shown, other = impression(survey), impression(survey)
    given_ = response(survey, impression=shown["id"], comment="Mine")
    app.send(shown, other, given_)
    assert app.site.call("DELETE", f"/responses/{given_['id']}").status_code == 204
    assert app.rows(impressions.c.id) == [(UUID(other["id"]),)]
    counts = app.site.results(survey)["counts"]
    assert (counts["impressions"], counts["scores"]) == (1, 0)


def test_consent_text_is_the_published_one_in_the_language_that_was_shown(app: App) -> None:
    survey = app.site.publish(
        email_capture={"consent_text": "We may write."},
        translations={"nl": {"question": "?", "email_capture": {"consent_text": "We mogen schrijven."}}},
    )
    app.send(response(survey, email="a@example.com", language="nl"))
    app.send(response(survey))
    with_, without = app.site.responses()[1], app.site.responses()[0]
    assert with_["consent_text"] == "We mogen schrijven."
    assert without["consent_text"] is None


def test_robots_are_flagged_and_not_counted(app: App, survey: dict[str, Any]) -> None:
    app.send(impression(survey), response(survey), headers={"User-Agent": "curl/8.0"})
    app.send(response(survey, automated=True))
    assert [one["bot"] for one in app.site.responses()] == [True, True]
    counts = app.site.results(survey)["counts"]
    assert (counts["impressions"], counts["scores"], counts["robots"]) == (0, 0, 2)


def test_touch_on_a_mac_is_a_tablet(app: App, survey: dict[str, Any]) -> None:
    mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15"
    app.send(response(survey, touch=True), headers={"User-Agent": mac})
    app.send(response(survey), headers={"User-Agent": mac})
    assert [one["device"] for one in app.site.responses()] == ["desktop", "tablet"]


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"score": 0}, 422, "/events/0/score"),
    ({"score": 6}, 422, "/events/0/score"),
    ({"score": -1}, 422, "/events/0/score"),
    ({"score": 10**20}, 422, "/events/0/score"),
    ({"score": 4.5}, 422, "/events/0/score"),
    ({"score": "4"}, 422, "/events/0/score"),
    ({"score": True}, 422, "/events/0/score"),
    ({"score": None}, 422, "/events/0/score"),
    ({"state": 0}, 422, "/events/0/state"),
    ({"survey": "nosuch"}, 404, "/events/0/survey"),
    ({"survey": ""}, 422, "/events/0/survey"),
    ({"revision": 2}, 404, "/events/0/survey"),
    ({"revision": 0}, 422, "/events/0/revision"),
    ({"id": "1"}, 422, "/events/0/id"),
    ({"id": "0199F3C2-0000-7000-8000-000000000000"}, 422, "/events/0/id"),
    ({"id": None}, 422, "/events/0/id"),
    ({"impression": "x"}, 422, "/events/0/impression"),
    ({"type": "visit"}, 422, "/events/0"),
    ({"secret": "short"}, 422, "/events/0/secret"),
    ({"secret": "x" * 129}, 422, "/events/0/secret"),
    ({"secret": 5}, 422, "/events/0/secret"),
    ({"comment": 5}, 422, "/events/0/comment"),
    ({"comment": "x" * 10_001}, 422, "/events/0/comment"),
    ({"email": "no address"}, 422, "/events/0/email"),
    ({"email": "a@b"}, 422, "/events/0/email"),
    ({"email": "a@" + "b" * 260 + ".com"}, 422, "/events/0/email"),
    ({"page": "x" * 2_049}, 422, "/events/0/page"),
    ({"language": "e n"}, 422, "/events/0/language"),
    ({"complete": "yes"}, 422, "/events/0/complete"),
]


@pytest.mark.parametrize(
    ("change", "status", "at"), WRONG, ids=[f"{next(iter(c))} {i}" for i, (c, _, _) in enumerate(WRONG)]
)
def test_wrong_event_is_refused_with_its_place_and_not_stored(
    app: App, survey: dict[str, Any], change: dict[str, Any], status: int, at: str
) -> None:
    reply = app.send(response(survey, **change))
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["type"].startswith("urn:tevreden:problem:")
    assert problem["permanent"] is True
    assert [error["at"] for error in problem["errors"]] == [at]
    assert app.site.responses() == []


BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "not JSON"),
    (b"{", 400, "line 1, column 2"),
    (b"\xff\xfe", 400, "not UTF-8"),
    (b"[" * 100_000, 413, "65536"),
    (b"[" * 1_000, 400, "nested deeper"),
    (b'{"a":"' + b"]" * 25_000 + b'","b":' + b"[" * 25_000 + b"}", 400, "nested deeper"),
    (b'[1,"a[",' + b"[" * 30_000 + b"]" * 30_000 + b',"z"]', 400, "nested deeper"),
    (b'"' + b"[" * 60_000, 400, "Unterminated string"),
    (b'{"events": NaN}', 400, "NaN"),
    (b'{"events": [], "events": []}', 400, "duplicate key 'events'"),
    (b'{"events": ' + b"9" * 6_000 + b"}", 400, "digits"),
    (b"null", 422, ""),
    (b"[]", 422, ""),
    (b'{"events": []}', 422, "must not be empty"),
    (b'{"events": {}}', 422, "must be a list"),
    (b'{"events": [1]}', 422, ""),
    (b'{"events": [null, []]}', 422, ""),
    (b'{"events": [' + b",".join([b"{}"] * 51) + b"]}", 422, "at most 50 items"),
    (b'{"visitor": "' + b"x" * 65_536 + b'"}', 413, "65536"),
]


@pytest.mark.parametrize(
    ("body", "status", "detail"), BODIES, ids=[body[:30].decode("latin1") or "nothing" for body, _, _ in BODIES]
)
def test_wrong_body_is_refused(app: App, body: bytes, status: int, detail: str) -> None:
    reply = app.client.post(f"/w/{app.site.key}/events", content=body)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert detail in json.dumps(reply.json())


@pytest.mark.parametrize("body", [b'"' + b'\\"' * 32_000, b'"' * 64_000, b"{" + b'"a":1,' * 10_000 + b'"a":1}'])
def test_spiteful_body_is_refused_at_once(app: App, body: bytes) -> None:
    started = time.monotonic()
    assert app.client.post(f"/w/{app.site.key}/events", content=body[:65_536]).status_code == 400
    assert time.monotonic() - started < 1


def test_body_without_a_length_is_read_no_further_than_the_limit(app: App) -> None:
    read = []

    def endless() -> Any:
        for _ in range(10_000):
            read.append(1)
            yield b"x" * 1024

    reply = app.client.post(f"/w/{app.site.key}/events", content=endless())
    assert reply.status_code == 413


def test_compressed_body_is_refused(app: App) -> None:
    reply = app.client.post(f"/w/{app.site.key}/events", content=b"x", headers={"Content-Encoding": "gzip"})
    assert (reply.status_code, reply.json()["detail"]) == (400, "The body must not be compressed.")


def test_unknown_site_is_refused(app: App, survey: dict[str, Any]) -> None:
    reply = app.client.post("/w/nosuchsite99/events", json={"events": [response(survey)]})
    assert reply.status_code == 404
    assert reply.json()["permanent"] is True


def test_event_without_a_usable_id_is_named_by_its_place(app: App, survey: dict[str, Any]) -> None:
    reply = app.send(response(survey), response(survey, id="\ud800"), {"\ud800": 1})
    assert reply.status_code == 200
    assert set(reply.json()["refused"]) == {"/events/1", "/events/2"}
    assert len(app.site.responses()) == 1


def test_browser_that_missed_the_first_reply_hears_its_id_in_the_next(app: App, survey: dict[str, Any]) -> None:
    shown = impression(survey)
    answered = response(survey, impression=shown["id"])
    for event in (shown, answered):
        first, second = app.send(event).json(), app.send(event).json()
        assert first == second
        assert first["visitor"]
    assert len({one["visitor"] for one in app.site.responses()}) == 1


def test_one_wrong_event_costs_its_neighbours_nothing(app: App, survey: dict[str, Any]) -> None:
    good, bad = response(survey), response(survey, score=99)
    reply = app.send(bad, good)
    assert reply.status_code == 200
    assert reply.json()["stored"] == [good["id"]]
    assert reply.json()["refused"][bad["id"]]["errors"][0]["at"] == "/events/0/score"
    assert [one["id"] for one in app.site.responses()] == [good["id"]]


@pytest.mark.parametrize("step", ["draft", "archived"])
def test_survey_that_is_not_open_takes_no_answer(app: App, step: str) -> None:
    if step == "draft":
        made = app.site.call("POST", "/surveys", {"name": "D", "metric": "nps", "question": "?"}).json()
        reply = app.send(response(made, score=9))
        assert reply.status_code == 404
    else:
        survey = app.site.publish()
        app.site.call("POST", f"/surveys/{survey['id']}/archive")
        reply = app.send(response(survey))
        assert reply.status_code == 409
    assert app.site.responses() == []


def test_answer_to_an_earlier_revision_keeps_it(app: App, survey: dict[str, Any]) -> None:
    app.site.call("PUT", f"/surveys/{survey['id']}", {**survey["document"], "question": "Other?"})
    assert app.site.call("POST", f"/surveys/{survey['id']}/publish").json()["revision"] == 2
    app.send(response(survey), response(survey, revision=2))
    assert sorted(one["revision"] for one in app.site.responses()) == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        ':[ "' * 40,
        "{" * 40,
        '\\"[' * 40,
        "a\x00b",
        "\ud800",
        "👩‍👩‍👧",
        "\u202eabc",
        "Ünïcode",
        "<b>&amp;</b>",
        "'; DROP TABLE responses; --",
    ],
)
def test_text_comes_back_as_it_was_typed(app: App, survey: dict[str, Any], text: str) -> None:
    body = json.dumps({"events": [response(survey, comment=text)]})
    reply = app.client.post(f"/w/{app.site.key}/events", content=body.encode(), headers={"User-Agent": "x"})
    assert reply.status_code == 200
    (stored,) = app.site.responses()
    assert stored["comment"] == text.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")


FIELDS = [
    "id",
    "type",
    "survey",
    "revision",
    "state",
    "score",
    "comment",
    "email",
    "complete",
    "identity",
    "page",
    "language",
    "impression",
]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    change=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    envelope=st.dictionaries(st.sampled_from(["visitor", "anonymous", "x"]), JSON, max_size=2),
)
def test_fuzzed_events_never_break_the_collector(
    app: App, survey: dict[str, Any], change: dict[str, Any], envelope: dict[str, Any]
) -> None:
    body = json.dumps({"events": [{**response(survey), **change}], **envelope})
    reply = app.client.post(f"/w/{app.site.key}/events", content=body.encode())
    assert reply.status_code in (200, 400, 404, 409, 422)
    if reply.status_code == 200:
        UUID(reply.json()["stored"][0])
