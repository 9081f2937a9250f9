"""Webhooks: who is told of an answer, what is sent, and what a site owner can see and do about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from standardwebhooks import WebhookVerificationError

from collector.access.sites import SECRETS_OVERLAP
from collector.automations.webhooks import MOST, Webhook, create_webhook, list_webhooks
from collector.db import outbox
from collector.db.kinds import MOST_ATTEMPTS
from collector.errors import Conflict
from tests.conftest import BROWSER_SECRET, PERSON, App, Site, add_site
from tests.jobs import NOW, open_jobs
from tests.receiver import Receiver, answering, receiving
from tests.telling import NOBODY, telling_app


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def telling(tmp_path: Path, store: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """It tries again soon."""
    monkeypatch.setattr(outbox, "WAITS", (0.05,) * len(outbox.WAITS))
    with telling_app(tmp_path, store, monkeypatch) as app:
        yield app


def answer(survey: dict[str, Any], /, **change: Any) -> dict[str, Any]:
    about = {
        "type": "response",
        "id": str(uuid4()),
        "survey": survey["key"],
        "revision": 1,
        "language": "en",
        "secret": BROWSER_SECRET,
    }
    return {**about, "state": 1, "score": 4, "page": "https://shop.example/order?id=7", **change}


def add_webhook(site: Site, url: str = NOBODY) -> dict[str, Any]:
    made = site.call("POST", "/webhooks", {"url": url})
    assert made.status_code == 201, made.text
    webhook: dict[str, Any] = made.json()
    return webhook


def deliveries(site: Site, webhook: dict[str, Any], number: int = 1) -> list[dict[str, Any]]:
    """What is sent to a webhook, once there are so many: the worker makes a delivery of what the intake wrote down."""
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while True:
        found = site.call("GET", f"/webhooks/{webhook['id']}/deliveries")
        assert found.status_code == 200, found.text
        items: list[dict[str, Any]] = found.json()["items"]
        if len(items) >= number:
            return items
        assert datetime.now(UTC) < deadline, items


def settled(site: Site, webhook: dict[str, Any], status: str) -> dict[str, Any]:
    """The webhook's one delivery, once it stands so and nobody is at it."""
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while True:
        (one,) = deliveries(site, webhook)
        if one["status"] == status and (one["reason"] or one["finished_at"]):
            return one
        assert datetime.now(UTC) < deadline, one


# Whom a site owner lets be told


def test_webhook_is_made_listed_read_and_deleted(app: App) -> None:
    made = app.site.call("POST", "/webhooks", {"url": "https://example.com/hook?key=1"})
    assert made.status_code == 201
    webhook = made.json()
    assert set(webhook) == {"id", "url", "secret", "created_at"}
    assert webhook["url"] == "https://example.com/hook?key=1"
    assert webhook["secret"].startswith("whsec_")
    second = add_webhook(app.site)
    assert second["secret"] != webhook["secret"]
    assert app.site.call("GET", "/webhooks").json() == {"items": [webhook, second], "next": None}
    assert app.site.call("GET", f"/webhooks/{webhook['id']}").json() == webhook
    assert app.site.call("DELETE", f"/webhooks/{webhook['id']}").status_code == 204
    assert app.site.call("GET", "/webhooks").json()["items"] == [second]
    for method in ("GET", "DELETE"):
        assert app.site.call(method, f"/webhooks/{webhook['id']}").status_code == 404


NOWHERE = [
    "http://127.0.0.1:8000/",
    "http://localhost/",
    "http://[::1]/",
    "http://10.1.2.3/",
    "http://169.254.169.254/latest/meta-data/",
    "http://192.168.1.1/",
    "http://2130706433/",
    "http://[::ffff:127.0.0.1]/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "https://user:secret@example.com/",
    "https://example.com/#part",
    "example.com",
    "",
    "https://example.com/" + "a" * 2_000,
]


def test_address_that_nothing_may_be_sent_to_is_refused_with_its_place(app: App) -> None:
    for url in NOWHERE:
        reply = app.site.call("POST", "/webhooks", {"url": url})
        assert reply.status_code == 422, url
        assert [error["at"] for error in reply.json()["errors"]] == ["/url"], url
    assert app.site.call("GET", "/webhooks").json()["items"] == []


def test_body_that_is_no_webhook_is_refused(app: App) -> None:
    wrong: list[Any] = [{}, {"url": 5}, {"url": None}, {"url": NOBODY, "more": 1}, [], "https://a.example"]
    for body in wrong:
        assert app.site.call("POST", "/webhooks", body).status_code == 422, body
    assert app.site.call("GET", "/webhooks").json()["items"] == []


def test_own_network_may_be_called_once_it_is_allowed_and_no_other(telling: App) -> None:
    for url in ("http://127.0.0.1:9/", "http://localhost:9/", "http://127.9.9.9/"):
        add_webhook(telling.site, url)
    for url in ("http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/"):
        assert telling.site.call("POST", "/webhooks", {"url": url}).status_code == 422


def test_site_has_twenty_webhooks_at_most(app: App) -> None:
    made = [app.site.call("POST", "/webhooks", {"url": NOBODY}).status_code for _ in range(22)]
    assert made == [201] * 20 + [409] * 2
    items = app.site.call("GET", "/webhooks").json()["items"]
    assert len(items) == 20
    assert app.site.call("DELETE", f"/webhooks/{items[0]['id']}").status_code == 204
    add_webhook(app.site)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_site_has_twenty_webhooks_at_most_also_when_they_are_made_at_the_same_moment(store: tuple[str, str]) -> None:
    with open_jobs(store[0]) as jobs:
        site = jobs.add_site()
        for _ in range(MOST - 1):
            jobs.add_webhook(site, NOBODY)

        async def make() -> None:
            async with jobs.database.write() as connection:
                await create_webhook(connection, site, NOBODY, by="tests", now=NOW)

        async def make_two() -> None:
            async with jobs.database.write() as connection:
                await create_webhook(connection, site, NOBODY, by="tests", now=NOW)
                other = asyncio.create_task(make())
                await asyncio.wait([other], timeout=0.5)  # until it is through, or waits for this one
            with pytest.raises(Conflict):
                await other

        jobs.portal.call(make_two)
        assert len(jobs.write(lambda connection: list_webhooks(connection, site))) == MOST


def test_webhooks_need_a_token(app: App) -> None:
    webhook = add_webhook(app.site)
    path = f"/api/v1/webhooks/{webhook['id']}"
    for method, address in [
        ("GET", "/api/v1/webhooks"),
        ("POST", "/api/v1/webhooks"),
        ("GET", path),
        ("DELETE", path),
        ("GET", path + "/deliveries"),
        ("POST", f"{path}/deliveries/{uuid4()}/redo"),
    ]:
        reply = app.client.request(method, address, params={"site": app.site.key})
        assert (reply.status_code, "www-authenticate" in reply.headers) == (401, True), address


def test_ids_of_another_site_and_of_nothing_are_not_found(app: App) -> None:
    survey, webhook, second = app.site.publish(), add_webhook(app.site), add_webhook(app.site)
    app.send(answer(survey))
    (job,) = deliveries(app.site, webhook)
    foreign = add_site(app.client, "", app.site.token)
    theirs = add_webhook(foreign)
    at = f"/webhooks/{webhook['id']}"
    redo = f"/deliveries/{job['id']}/redo"
    for site, method, path in [
        (foreign, "GET", at),
        (foreign, "DELETE", at),
        (foreign, "GET", at + "/deliveries"),
        (foreign, "POST", at + redo),
        (foreign, "POST", f"/webhooks/{theirs['id']}{redo}"),
        (app.site, "POST", f"/webhooks/{second['id']}{redo}"),
        (app.site, "POST", f"{at}/deliveries/{uuid4()}/redo"),
        (app.site, "GET", f"/webhooks/{uuid4()}"),
        (app.site, "GET", f"/webhooks/{uuid4()}/deliveries"),
        (app.site, "GET", "/webhooks/no-id"),
    ]:
        reply = site.call(method, path)
        assert reply.status_code == 404, (method, path, reply.text)
        assert reply.headers["content-type"] == "application/problem+json"
    assert deliveries(foreign, theirs, 0) == []
    assert len(app.site.call("GET", "/webhooks").json()["items"]) == 2


# What became of it


def test_deliveries_are_listed_newest_first_by_cursor(app: App) -> None:
    survey, webhook = app.site.publish(), add_webhook(app.site)
    sent = [answer(survey)["id"] for _ in range(7)]
    for one in sent:
        app.send({**answer(survey), "id": one})
        app.await_told()
    path, seen, cursor = f"/webhooks/{webhook['id']}/deliveries", list[str](), None
    sizes = []
    while True:
        page = app.site.call("GET", path, limit=3, **({"cursor": cursor} if cursor else {})).json()
        seen += [one["payload"]["data"]["id"] for one in page["items"]]
        sizes.append(len(page["items"]))
        cursor = page["next"]
        if cursor is None:
            break
    assert (seen, sizes) == (sent[::-1], [3, 3, 1])


def test_cursor_or_limit_that_cannot_be_right_is_refused_with_its_name(app: App) -> None:
    webhook = add_webhook(app.site)
    wrong = [("cursor", value) for value in ("x", "", "é", "A" * 5_000)]
    wrong += [("limit", value) for value in ("0", "-1", "201", "x", "1e3", "")]
    for name, value in wrong:
        reply = app.site.call("GET", f"/webhooks/{webhook['id']}/deliveries", **{name: value})
        assert (reply.status_code, reply.json()["errors"][0]["at"]) == (422, f"?{name}"), value


def test_delivery_says_what_it_sends_and_why_it_failed(app: App) -> None:
    survey, webhook = app.site.publish(), add_webhook(app.site)
    app.send(answer(survey))
    one = settled(app.site, webhook, "waiting")
    assert one["message_id"] == f"msg_{one['id'].replace('-', '')}"
    assert one["reason"].startswith("receiver.invalid could not be found")
    assert (one["attempts"], one["finished_at"]) == (1, None)
    wait = datetime.fromisoformat(one["next_try_at"]) - datetime.now(UTC)
    assert wait <= timedelta(seconds=1.2 * outbox.WAITS[0])
    assert one["payload"]["data"] == app.site.responses()[0]


def test_deleted_response_takes_its_deliveries_with_it(app: App) -> None:
    survey, webhook = app.site.publish(), add_webhook(app.site)
    gone, kept = answer(survey), answer(survey)
    app.send(gone, kept)
    app.send({**gone, "state": 2, "comment": "personal"})
    assert len(deliveries(app.site, webhook, 3)) == 3
    assert app.site.call("DELETE", f"/responses/{gone['id']}").status_code == 204
    assert [one["payload"]["data"]["id"] for one in deliveries(app.site, webhook)] == [kept["id"]]


def test_deleted_webhook_takes_its_deliveries_with_it_and_hears_of_nothing_more(
    telling: App, receiver: Receiver
) -> None:
    survey = telling.site.publish()
    gone, kept = (add_webhook(telling.site, receiver.url(path)) for path in ("/gone", "/kept"))
    telling.send(answer(survey))
    receiver.wait_for(2)
    assert telling.site.call("DELETE", f"/webhooks/{gone['id']}").status_code == 204
    telling.send(answer(survey))
    receiver.wait_for(2, "/kept")
    assert len(receiver.to("/gone")) == 1
    assert len(deliveries(telling.site, kept, 2)) == 2


def test_what_waits_is_not_redone_by_hand_and_what_was_delivered_is_under_the_same_id(
    telling: App, receiver: Receiver
) -> None:
    receiver.answer = lambda call: answering(200) if call.path == "/other" else answering(503, Retry_After="3600")
    survey, webhook = telling.site.publish(), add_webhook(telling.site, receiver.url())
    telling.send(answer(survey))
    waiting = settled(telling.site, webhook, "waiting")
    path = f"/webhooks/{webhook['id']}/deliveries/{waiting['id']}/redo"
    assert telling.site.call("POST", path).status_code == 409

    other = add_webhook(telling.site, receiver.url("/other"))
    telling.send(answer(survey))
    first = settled(telling.site, other, "done")
    again = telling.site.call("POST", f"/webhooks/{other['id']}/deliveries/{first['id']}/redo")
    assert again.status_code == 200
    assert (again.json()["status"], again.json()["id"], again.json()["finished_at"]) == ("waiting", first["id"], None)
    calls = receiver.wait_for(2, "/other")
    assert [call.id for call in calls] == [first["message_id"]] * 2
    assert calls[0].body == calls[1].body


# What is sent


def test_receiver_hears_of_an_answer_and_of_its_change_as_the_rest_interface_has_them(
    telling: App, receiver: Receiver
) -> None:
    survey = telling.site.publish(
        name="Ünïcode <b>",
        email_capture={"consent_text": "We may write."},
        translations={"nl": {"question": "?", "email_capture": {"consent_text": "We mogen."}}},
    )
    webhook = add_webhook(telling.site, receiver.url())
    first = answer(survey, comment="Fine — \U0001f469\u200d\U0001f469 \u202e\n\"'<&>", language="nl")
    expected, sequence = [], 0
    for change in ({}, {"state": 2, "score": 1, "email": "a@example.com"}, {"state": 3, "complete": True}):
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        telling.send({**first, **change})
        expected += telling.site.responses()
        call = receiver.wait_for(len(expected))[-1]
        event = call.verified(webhook["secret"])
        assert set(event) == {"type", "timestamp", "sequence", "data"}
        assert event["sequence"] > sequence, "what comes late is known by it"
        sequence = event["sequence"]
        assert event["type"] == ("response.updated" if change else "response.created")
        assert before <= datetime.fromisoformat(event["timestamp"]) <= datetime.now(UTC)
        assert event["data"] == expected[-1]
        assert event["data"] == telling.site.call("GET", f"/responses/{first['id']}").json()
        assert (event["data"]["survey_name"], event["data"]["email"]) == (
            "Ünïcode <b>",
            "a@example.com" if change else None,
        )
        assert event["data"]["consent_text"] == ("We mogen." if change else None)
        assert (call.headers["content-type"], call.path) == ("application/json", "/hook")
    assert len({call.id for call in receiver.calls}) == 3


def test_anonymous_and_bare_answers_are_sent_as_the_rest_interface_has_them(telling: App, receiver: Receiver) -> None:
    survey = telling.site.publish(metric="nps")
    webhook = add_webhook(telling.site, receiver.url())
    bare = {key: value for key, value in answer(survey, score=0).items() if key not in ("language", "page")}
    telling.send(bare, anonymous=True)
    (call,) = receiver.wait_for(1)
    assert call.verified(webhook["secret"])["data"] == telling.site.responses()[0]


def test_text_of_any_kind_reaches_the_receiver_as_it_is_stored(telling: App, receiver: Receiver) -> None:
    survey, webhook = telling.site.publish(), add_webhook(telling.site, receiver.url())
    odd = [answer(survey, comment=text, page=f"https://shop.example/{text}") for text in ("a\x00b", "\ud800", "'; --")]
    body = json.dumps({"events": odd})
    headers = {"User-Agent": PERSON}
    reply = telling.client.post(f"/w/{telling.site.key}/events", content=body.encode(), headers=headers)
    assert reply.status_code == 200, reply.text
    stored = {one["id"]: one for one in telling.site.responses() if not one["bot"]}
    told = {event["data"]["id"]: event["data"] for event in (call.event for call in receiver.wait_for(len(stored)))}
    assert told == stored
    assert receiver.calls[0].verified(webhook["secret"])


def test_signature_of_a_changed_body_or_with_another_secret_is_not_right(telling: App, receiver: Receiver) -> None:
    """What shows that the tests above can fail."""
    webhook, other = (add_webhook(telling.site, receiver.url(path)) for path in ("/a", "/b"))
    telling.send(answer(telling.site.publish()))
    receiver.wait_for(2)
    (call,) = receiver.to("/a")
    assert call.verified(webhook["secret"])
    with pytest.raises(WebhookVerificationError):
        call.verified(other["secret"])
    with pytest.raises(WebhookVerificationError):
        type(call)(call.path, call.headers, call.body + b" ").verified(webhook["secret"])


def test_every_webhook_of_a_site_is_told_and_no_other_sites(telling: App, receiver: Receiver) -> None:
    foreign = add_site(telling.client, "", telling.site.token)
    add_webhook(foreign, receiver.url("/foreign"))
    for path in ("/one", "/two"):
        add_webhook(telling.site, receiver.url(path))
    telling.send(answer(telling.site.publish()))
    assert {call.path for call in receiver.wait_for(2)} == {"/one", "/two"}
    assert len({call.id for call in receiver.calls}) == 2


def test_robots_answers_are_stored_and_not_sent(telling: App, receiver: Receiver) -> None:
    survey, webhook = telling.site.publish(), add_webhook(telling.site, receiver.url())
    robot = answer(survey, automated=True)
    telling.send(robot)
    telling.send({**robot, "state": 2, "complete": True})
    telling.send(answer(survey), headers={"User-Agent": "curl/8.0"})
    person = answer(survey)
    telling.send(person)
    assert [call.event["data"]["id"] for call in receiver.wait_for(1)] == [person["id"]]
    assert len(deliveries(telling.site, webhook)) == 1
    assert len(telling.site.responses()) == 3


# What the receiver answers


def test_receiver_that_failed_gets_it_again_under_the_same_id(telling: App, receiver: Receiver) -> None:
    statuses = iter([500, 302, 404, 200])
    receiver.answer = lambda _: answering(next(statuses), Location="http://127.0.0.1:9/")
    webhook = add_webhook(telling.site, receiver.url())
    telling.send(answer(telling.site.publish()))
    calls = receiver.wait_for(4)
    assert {(call.id, call.body) for call in calls} == {(calls[0].id, calls[0].body)}
    for call in calls:
        assert call.verified(webhook["secret"])
    one = settled(telling.site, webhook, "done")
    assert (one["attempts"], one["reason"], one["next_try_at"]) == (4, None, None)


def test_receiver_that_is_gone_is_asked_no_more(telling: App, receiver: Receiver) -> None:
    receiver.answer = lambda _: answering(410)
    webhook = add_webhook(telling.site, receiver.url())
    telling.send(answer(telling.site.publish()))
    one = settled(telling.site, webhook, "failed")
    assert (one["attempts"], one["next_try_at"]) == (1, None)
    assert one["reason"].startswith("the receiver answered 410")
    assert len(receiver.calls) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_receiver_that_names_a_time_is_left_alone_until_then(telling: App, receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _: answering(status, Retry_After="1000")
    webhook = add_webhook(telling.site, receiver.url())
    telling.send(answer(telling.site.publish()))
    one = settled(telling.site, webhook, "waiting")
    wait = datetime.fromisoformat(one["next_try_at"]) - datetime.now(UTC)
    assert timedelta(seconds=950) < wait <= timedelta(seconds=1000)
    assert (one["attempts"], len(receiver.calls)) == (1, 1)


def test_receiver_that_never_takes_it_is_given_up_with_the_reason_and_can_be_tried_again(
    telling: App, receiver: Receiver
) -> None:
    receiver.answer = lambda _: answering(500)
    webhook = add_webhook(telling.site, receiver.url())
    telling.send(answer(telling.site.publish()))
    one = settled(telling.site, webhook, "failed")
    assert (one["attempts"], one["reason"]) == (MOST_ATTEMPTS, "the receiver answered 500")
    assert len(receiver.calls) == MOST_ATTEMPTS
    receiver.answer = lambda _: answering(200)
    assert telling.site.call("POST", f"/webhooks/{webhook['id']}/deliveries/{one['id']}/redo").status_code == 200
    again = settled(telling.site, webhook, "done")
    assert (again["id"], again["attempts"]) == (one["id"], 1)
    assert len({call.id for call in receiver.calls}) == 1


def test_secret_is_renewed_and_both_sign_for_a_while(telling: App, receiver: Receiver) -> None:
    survey, webhook = telling.site.publish(), add_webhook(telling.site, receiver.url())
    renewed = telling.site.call("POST", f"/webhooks/{webhook['id']}/secret")
    assert renewed.status_code == 200, renewed.text
    assert renewed.json()["secret"] != webhook["secret"]
    assert telling.site.call("GET", f"/webhooks/{webhook['id']}").json() == renewed.json()
    telling.send(answer(survey))
    receiver.wait_for(1)
    for secret in (webhook["secret"], renewed.json()["secret"]):
        assert receiver.calls[0].verified(secret)["type"] == "response.created"


def test_secret_before_the_one_in_use_signs_no_longer_than_its_time() -> None:
    webhook = Webhook(1, UUID(int=1), NOBODY, NOW, secret_version=3, secret_until=NOW + SECRETS_OVERLAP)
    assert webhook.secret_versions(NOW) == (3, 2)
    assert webhook.secret_versions(NOW + SECRETS_OVERLAP) == (3,)
    assert Webhook(1, UUID(int=1), NOBODY, NOW).secret_versions(NOW) == (1,)
