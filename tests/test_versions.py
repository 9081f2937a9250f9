"""Nothing is done to a survey that whoever does it has not seen: a version in every form, ETag and If-Match in REST."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conftest import ORIGIN, App
from tests.editor import documents, write
from tests.pages import plain
from tests.signed_in import post

DRAFT = {"name": "Checkout", "metric": "csat", "question": "How was it?"}


def form_on(text: str, act: str) -> dict[str, str]:
    """What the form of an act carries on a page."""
    (form,) = re.findall(rf'<form method="post" action="[^"]*/{act}">(.*?)</form>', text, re.DOTALL)[:1]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))


def act(owner: App, page: str, name: str, form: dict[str, str]) -> Any:
    return owner.client.post(f"{page}/{name}", data=form, headers=ORIGIN)


def change(owner: App, **places: Any) -> None:
    """Somebody else saves."""
    survey = documents(owner)[0]
    assert owner.site.call("PUT", f"/surveys/{survey['id']}", {**survey["document"], **places}).status_code == 200


def test_text_that_nobody_reviewed_does_not_go_live(owner: App) -> None:
    page = write(owner)
    form = form_on(owner.client.get(f"{page}/review").text, "publish")
    change(owner, question="Something else?", follow_up={"negative": "Why?"})
    reply = act(owner, page, "publish", form)
    assert reply.status_code == 412
    assert f'href="{page}/review"' in reply.text
    assert "Question: was changed since. Follow up: was changed since." in plain(reply.text).replace(" .", ".")
    assert documents(owner)[0]["status"] == "draft"
    form = form_on(owner.client.get(f"{page}/review").text, "publish")
    assert act(owner, page, "publish", form).status_code == 303
    assert act(owner, page, "publish", form).status_code == 412, "pressed twice, it was published meanwhile"


@pytest.mark.parametrize("name", ["pause", "archive", "clone", "delete", "bring-back"])
def test_button_on_a_page_of_before_does_nothing(owner: App, name: str) -> None:
    page = write(owner)
    before = {"pause": "publish", "bring-back": "archive"}.get(name)
    if before:
        assert post(owner, f"{page}/{before}").status_code == 303
    form = form_on(owner.client.get(page).text, name)
    if name == "bring-back":
        post(owner, f"{page}/bring-back")
    else:
        change(owner, question="Something else?")
    told = documents(owner)
    reply = act(owner, page, name, form)
    assert (reply.status_code, f'href="{page}"' in reply.text) == (412, True)
    assert documents(owner) == told


@pytest.mark.parametrize("name", ["publish", "pause", "archive", "clone", "delete", "bring-back"])
def test_form_without_a_version_does_nothing(owner: App, name: str) -> None:
    page = write(owner)
    assert act(owner, page, name, {}).status_code == 400
    assert documents(owner)[0]["status"] == "draft"


def test_change_that_was_changed_back_is_none(owner: App) -> None:
    page = write(owner)
    form, question = (
        form_on(owner.client.get(f"{page}/review").text, "publish"),
        documents(owner)[0]["document"]["question"],
    )
    change(owner, question="Something else?")
    change(owner, question=question)
    assert act(owner, page, "publish", form).status_code == 303


def call(app: App, method: str, path: str, body: Any = None, **headers: str) -> Any:
    own = {"Authorization": f"Bearer {app.site.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return app.client.request(method, f"/api/v1{path}?site={app.site.key}", json=body, headers=own)


def test_second_of_two_puts_from_one_copy_undoes_nothing(app: App) -> None:
    made = call(app, "POST", "/surveys", DRAFT)
    path, tag = f"/surveys/{made.json()['id']}", made.headers["etag"]
    assert call(app, "GET", path).headers["etag"] == tag
    mine, theirs = {**DRAFT, "question": "Mine?"}, {**DRAFT, "scale": 7}
    assert call(app, "PUT", path, mine, If_Match=tag).status_code == 200
    reply = call(app, "PUT", path, theirs, If_Match=tag)
    assert reply.status_code == 412
    assert reply.json()["errors"] == [{"at": "/question", "detail": "was changed since"}]
    assert reply.json()["type"] == "urn:tevreden:problem:changed"
    now = call(app, "GET", path)
    assert reply.headers["etag"] == now.headers["etag"] != tag
    assert now.json()["document"]["question"] == "Mine?"
    assert call(app, "PUT", path, theirs, If_Match=f'"x", {now.headers["etag"]}').status_code == 200


@pytest.mark.parametrize(
    ("method", "act"),
    [("POST", "/publish"), ("POST", "/pause"), ("POST", "/archive"), ("POST", "/clone"), ("DELETE", "")],
)
def test_act_of_a_program_may_name_what_it_read(app: App, method: str, act: str) -> None:
    made = call(app, "POST", "/surveys", DRAFT)
    path, old = f"/surveys/{made.json()['id']}", made.headers["etag"]
    published = call(app, "POST", f"{path}/publish", If_Match=old)
    assert published.status_code == 200
    reply = call(app, method, path + act, If_Match=old)
    assert reply.status_code == 412
    assert {"at": "/status", "detail": "is published now"} in reply.json()["errors"]
    assert call(app, method, path + act, If_Match=f"W/{published.headers['etag']}").status_code == 412, (
        "RFC 9110, 13.1.1"
    )
    assert call(app, method, path + act, If_Match=published.headers["etag"].strip('"')).status_code == 400
    done = call(app, method, path + act, If_Match=published.headers["etag"])
    assert done.status_code < 300
    assert ("etag" in done.headers) is (method == "POST")


def test_program_that_names_nothing_is_as_before(app: App) -> None:
    path = f"/surveys/{call(app, 'POST', '/surveys', DRAFT).json()['id']}"
    for headers in ({}, {"If_Match": "*"}):
        assert call(app, "PUT", path, DRAFT, **headers).status_code == 200
        assert call(app, "POST", f"{path}/publish", **headers).status_code == 200
    assert call(app, "GET", "/surveys/0199f3c2-0000-7000-8000-000000000000", If_Match='"x"').status_code == 404
