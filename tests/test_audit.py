"""The log: each privileged act is one row, whoever does it, and what changed nothing is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from collector.db import schema
from tests.conftest import USER, App
from tests.editor import Editor
from tests.events import response
from tests.pages import plain
from tests.second_step import first_step, turn_on
from tests.services import in_store
from tests.signed_in import acts, another_browser, id_of, post

DRAFT = {"name": "Draft", "metric": "csat", "question": "How was it?"}


def since(app: App, before: int) -> list[tuple[str, str]]:
    return list(reversed(acts(app)[: len(acts(app)) - before]))


def edit(app: App, page: str, question: str) -> Any:
    """Open the first tab, write a question and save."""
    editor = Editor(app, page, "question")
    editor.change(question=question)
    return editor.submit()


def test_each_act_of_a_program_is_one_row(app: App) -> None:
    before = len(acts(app))
    call = app.site.call
    done: list[tuple[str, str]] = []

    def do(act: str | None, method: str, path: str, body: Any = None) -> Any:
        reply = call(method, path, body)
        assert reply.status_code < 300, (path, reply.text)
        if act:
            done.append(("token tests", act))
        assert since(app, before) == done, (method, path)
        return reply.json() if reply.content else None

    draft = do("survey.created", "POST", "/surveys", DRAFT)
    path = f"/surveys/{draft['id']}"
    do("survey.replaced", "PUT", path, {**DRAFT, "question": "How was it for you?"})
    do("survey.published", "POST", f"{path}/publish")
    do(None, "POST", f"{path}/publish")
    sent = app.send(answer := response({"key": draft["key"]}))
    assert sent.status_code == 200
    do("response.deleted", "DELETE", f"/responses/{answer['id']}")
    do("survey.paused", "POST", f"{path}/pause")
    do(None, "POST", f"{path}/pause")
    do("survey.cloned", "POST", f"{path}/clone")
    do("survey.archived", "POST", f"{path}/archive")
    do(None, "POST", f"{path}/archive")
    do("survey.deleted", "DELETE", path)
    webhook = do("webhook.added", "POST", "/webhooks", {"url": "https://receiver.example/"})
    do("webhook.removed", "DELETE", f"/webhooks/{webhook['id']}")
    do(None, "GET", "/surveys")


def test_what_was_refused_is_no_row(app: App) -> None:
    before = len(acts(app))
    for method, path, body in (
        ("POST", "/surveys", {}),
        ("PUT", "/surveys/0199f3c2-0000-7000-8000-000000000000", DRAFT),
        ("POST", "/surveys/0199f3c2-0000-7000-8000-000000000000/publish", None),
        ("DELETE", "/responses/0199f3c2-0000-7000-8000-000000000000", None),
        ("POST", "/webhooks", {"url": "http://127.0.0.1/"}),
    ):
        assert app.site.call(method, path, body).status_code >= 400
    assert since(app, before) == []


def test_each_act_of_a_person_is_one_row(owner: App) -> None:
    before = len(acts(owner))
    survey = owner.site.publish()
    page = f"/admin/{owner.site.key}/{survey['id']}"
    wanted = [("token tests", "survey.created"), ("token tests", "survey.published")]
    for act, row in (
        ("publish", None),
        ("pause", "survey.paused"),
        ("pause", None),
        ("archive", "survey.archived"),
        ("bring-back", "survey.restored"),
        ("clone", "survey.cloned"),
        ("publish", "survey.published"),
        ("pause", "survey.paused"),
        ("delete", "survey.deleted"),
        ("bring-back", "survey.restored"),
    ):
        post(owner, f"{page}/{act}")
        wanted += [(USER, row)] if row else []
        assert since(owner, before) == wanted, act
    for ending in ("csv", "json", "xlsx"):
        assert owner.client.get(f"{page}/responses.{ending}").status_code == 200
        wanted.append((USER, "responses.exported"))
    post(owner, "/admin/sites/add", None, name="Another")
    post(owner, "/admin/tokens", None, name="Dashboard", scope="read", site="")
    post(owner, "/admin/users/invite", None, email="jo@example.com", role="viewer", site="")
    wanted += [(USER, row) for row in ("site.added", "token.added", "join.link.made")]
    me = id_of(owner, USER)
    post(owner, f"/admin/users/{me}/role", None, role="owner", site="")  # as it was
    post(owner, f"/admin/users/{me}/role", None, role="viewer", site=owner.site.key)
    post(owner, f"/admin/users/{me}/role", None, role="viewer", site=owner.site.key)  # as it was
    wanted.append((USER, "role.changed"))
    assert since(owner, before) == wanted
    post(owner, f"{page}/test", None, address="https://shop.example/")
    for act, form in (("add", {"language": "nl", "question": "Hoe was het?"}), ("remove", {"language": "nl"})):
        assert post(owner, f"{page}/languages/{act}", None, **form).status_code == 303
    for number in range(3):
        assert edit(owner, page, f"Really {number}?").status_code == 303
    wanted += [(USER, "survey.test.link"), (USER, "survey.edited")]
    assert since(owner, before) == wanted, "what saves itself as somebody types is one row for a while"
    text = plain(owner.client.get("/admin/log").text)
    assert f"{USER} edited the draft of a survey: {survey['name']} (5 times)" in text
    assert edit(owner, page, "Really 2?").status_code == 303
    assert "(5 times)" in plain(owner.client.get("/admin/log").text), "nothing was changed"


def test_failed_sign_ins_are_one_row_for_each_account_and_quarter_of_an_hour(owner: App) -> None:
    turn_on(owner)
    before = len(acts(owner))
    stranger = another_browser(owner)
    pending = first_step(owner, stranger)
    for _ in range(3):
        post(owner, "/admin/sign-in/code", stranger, pending=pending, code="000000")
    for email in (USER, "one@example.com", "two@example.com"):
        for _ in range(4):
            post(owner, "/admin/sign-in", stranger, email=email, password="guess")
    nobody = "an address without an account"
    row = "sign.in.refused"
    assert since(owner, before) == [(USER, row), (USER, row), (nobody, row)]
    text = plain(owner.client.get("/admin/log").text)
    assert f"{nobody} failed to sign in: wrong password (8 times)" in text
    assert f"{USER} failed to sign in: wrong password (4 times)" in text
    assert f"{USER} failed to sign in: wrong code (3 times)" in text

    async def age(connection: Any) -> None:
        await connection.execute(schema.audit.update().values(at=datetime.now(UTC) - timedelta(minutes=16)))

    in_store(owner, age)
    post(owner, "/admin/sign-in", stranger, email=USER, password="guess")
    assert len(since(owner, before)) == 4
