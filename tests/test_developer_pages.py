"""Settings for developers: webhooks with what became of each delivery, and the secret of signed addresses."""

from __future__ import annotations

import hmac
import re
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from time import monotonic

import pytest

from collector.access.signing import Signing
from collector.automations.webhooks import MOST
from collector.db import outbox
from collector.web.admin.identify import EXAMPLES
from tests.conftest import SECRET, App, sign_in
from tests.events import response
from tests.pages import plain
from tests.receiver import Receiver, answering, receiving
from tests.services import services_of
from tests.signed_in import acts, post
from tests.telling import NOBODY, telling_app


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def telling(tmp_path: Path, store: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """An application that may call this machine, gives up after two tries, and whose owner is signed in."""
    monkeypatch.setattr(outbox, "WAITS", (0.05,))
    with telling_app(tmp_path, store, monkeypatch) as app:
        assert sign_in(app).status_code == 303
        yield app


def awaited(app: App, page: str, holds: Callable[[str], bool]) -> str:
    """The text of a page, once this holds of it."""
    until = monotonic() + 30
    while not holds(text := app.client.get(page).text):
        assert monotonic() < until, plain(text)
    return text


def hooks_of(app: App) -> str:
    return f"/admin/{app.site.key}/settings/webhooks"


def added(app: App, url: str) -> str:
    """Where the page of a webhook is that was added by the form."""
    reply = post(app, hooks_of(app), url=url)
    assert reply.status_code == 303, plain(reply.text)
    return str(reply.headers["location"].partition("?")[0])


def test_webhook_is_added_and_what_was_delivered_is_listed(telling: App, receiver: Receiver) -> None:
    survey = telling.site.publish()
    page = added(telling, receiver.url())
    assert "No event yet" in plain(telling.client.get(hooks_of(telling)).text)
    text = telling.client.get(page).text
    (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", text)
    telling.send(response(survey, comment="Très bien"))
    text = awaited(telling, page, lambda text: "Delivered" in text)
    assert "Très bien" in text, "what was sent can be read"
    (call,) = receiver.calls
    assert call.verified(secret)["data"]["comment"] == "Très bien"
    assert call.id in text
    assert "Delivered" in plain(telling.client.get(hooks_of(telling)).text)


def test_what_was_given_up_says_why_and_is_sent_again_from_the_page(telling: App, receiver: Receiver) -> None:
    survey = telling.site.publish()
    page = added(telling, receiver.url())
    receiver.answer = lambda _: answering(500)
    telling.send(response(survey))
    text = awaited(telling, page, lambda text: "Failed" in text)
    assert "500" in plain(text)
    assert "500" in plain(telling.client.get(hooks_of(telling)).text), "in the list of webhooks as well"
    receiver.answer = lambda _: answering(200)
    (again,) = re.findall(r'action="([^"]+/redo)"', text)
    reply = post(telling, again)
    assert (reply.status_code, reply.headers.get("location")) == (303, page), plain(reply.text)
    text = awaited(telling, page, lambda text: "Delivered" in text)
    assert len({call.id for call in receiver.calls}) == 1, "under the same id"
    another = added(telling, receiver.url("/another"))
    foreign = again.replace(page, another)
    assert post(telling, foreign).status_code == 404, "a delivery of another webhook"


def test_many_deliveries_are_read_page_by_page(telling: App, receiver: Receiver) -> None:
    survey = telling.site.publish()
    page = added(telling, receiver.url())
    receiver.answer = lambda _: answering(200)
    for _ in range(4):
        telling.send(*(response(survey) for _ in range(20)))
    until, ids = monotonic() + 30, set[str]()
    while len(ids) < 80 and monotonic() < until:
        ids, at = set(), page
        while at:
            text = telling.client.get(at).text
            ids |= set(re.findall(r"msg_[0-9a-f]{32}", text))
            older = re.findall(r'href="([^"]+cursor=[^"]+)"', text)
            at = older[0] if older else ""
    assert len(ids) == 80
    assert telling.client.get(f"{page}?cursor=nonsense!").status_code == 422


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "must be"),
        ("ftp://example.com/", "http"),
        ("https://10.0.0.1/", "10.0.0.1"),
        ("https://user:secret@example.com/", "must"),
    ],
)
def test_address_that_nothing_can_be_sent_to_is_told_beside_the_field(owner: App, url: str, said: str) -> None:
    reply = post(owner, hooks_of(owner), url=url)
    assert reply.status_code == 422
    (told,) = re.findall(r'id="url-wrong"[^>]*>(.*?)</p>', reply.text, re.DOTALL)
    assert said in told
    assert f'value="{url}"' in reply.text, "what was typed is still there"


def test_webhook_that_is_added_twice_is_one(owner: App) -> None:
    assert added(owner, NOBODY) == added(owner, NOBODY)
    assert plain(owner.client.get(hooks_of(owner)).text).count(NOBODY) == 1


def test_last_webhook_of_a_site_says_that_it_is_the_last(owner: App) -> None:
    for number in range(MOST):
        added(owner, f"{NOBODY}/{number}")
    assert f"at most {MOST} webhooks" in plain(owner.client.get(hooks_of(owner)).text)
    assert post(owner, hooks_of(owner), url=NOBODY).status_code == 409


def test_webhook_is_deleted_and_its_secret_renewed_with_a_row_in_the_audit_log(owner: App) -> None:
    page = added(owner, NOBODY)
    before = re.findall(r"whsec_[A-Za-z0-9+/=]+", owner.client.get(page).text)
    for _ in range(2):  # a double press
        assert post(owner, f"{page}/secret", version="1").headers["location"] == page
    text = owner.client.get(page).text
    assert re.findall(r"whsec_[A-Za-z0-9+/=]+", text) != before
    assert "The previous secret signs as well until" in plain(text)
    assert 'name="version" value="2"' in text
    assert post(owner, f"{page}/remove").headers["location"] == hooks_of(owner)
    assert owner.client.get(page).status_code == 404
    assert "No webhooks yet" in plain(owner.client.get(hooks_of(owner)).text)
    assert [act for _, act in acts(owner) if act.startswith("webhook.")] == [
        "webhook.removed",
        "webhook.renewed",
        "webhook.added",
    ]


# ---- identify


def secret_on(app: App) -> str:
    text = app.client.get(f"/admin/{app.site.key}/settings/identify").text
    (found,) = re.findall(r'aria-label="Identify secret"><code>([^<]+)</code>', text)
    return str(found)


def test_secret_on_the_page_is_the_one_that_signatures_are_checked_with(owner: App) -> None:
    secret, signing = secret_on(owner), services_of(owner).signing
    assert secret == owner.site.call("GET", f"/sites/{owner.site.key}").json()["identify_secret"]
    page = f"/admin/{owner.site.key}/settings/identify"
    for _ in range(2):  # a double press
        assert post(owner, page, version="1").headers["location"] == page
    assert secret_on(owner) != secret
    assert "The previous secret stays valid until" in plain(owner.client.get(page).text)
    assert signing.is_identity(owner.site.key, (2, 1), "anna@example.com", _signed(secret, "anna@example.com"))


def _signed(secret: str, email: str) -> str:
    return hmac.new(secret.encode(), email.encode(), sha256).hexdigest()


@pytest.mark.parametrize("language", ["Python", "Node"])
def test_example_of_signing_runs_as_it_is(language: str) -> None:
    code, email, secret = dict(EXAMPLES)[language], " Anna@Example.com ", Signing(SECRET).identify_secret("key", 1)
    if language == "Python":
        names = {"email": email, "SECRET": secret}
        exec(code, names)
        signature = names["signature"]
    else:
        script = f"{code}\nconsole.log(signature)".replace(
            "\n\n", f"\n\nconst email = {email!r}, secret = {secret!r};\n", 1
        )
        command = ["node", "--input-type=module", "-e", script]
        signature = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    assert Signing(SECRET).is_identity("key", (1,), "anna@example.com", signature)
