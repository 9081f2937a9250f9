"""The pages: each template is rendered with what the application gives it, and a name that is undefined is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jinja2 import UndefinedError
from starlette.testclient import TestClient

from collector.access import accounts
from collector.db import schema
from collector.web.api.routes import described
from collector.web.http.rendering import page, templates
from tests.conftest import USER, App
from tests.editor import SCRIPT, Editor
from tests.events import impression, response
from tests.second_step import first_step, turn_on
from tests.services import in_store, services_of
from tests.signed_in import another_browser, id_of, person, post

HTML = {"Accept": "text/html"}


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the templates that were rendered since it was last emptied, with those they extend and import."""
    environment, names = templates(), set[str]()
    get_template = environment.get_template

    def noticed(name: str, *rest: Any, **others: Any) -> Any:
        names.add(name)
        return get_template(name, *rest, **others)

    monkeypatch.setattr(environment, "get_template", noticed)
    return names


def pages_of(owner: App) -> Iterator[tuple[str, Any]]:
    """For each template an answer that is rendered from it, given by an application with real values."""
    survey = owner.site.publish()
    answer = response(survey, comment="Fine", email="a@example.com")
    assert owner.send(impression(survey), answer).status_code == 200
    site = f"/admin/{owner.site.key}"
    home = f"{site}/{survey['id']}"
    for template, path in {
        "base.html": "/admin/sites",
        "site_list.html": "/admin/sites",
        "home.html": site,
        "surveys.html": f"{site}/surveys",
        "new.html": f"{site}/new",
        "site.html": f"{site}/settings",
        "identify.html": f"{site}/settings/identify",
        "frequency.html": f"{site}/settings/frequency",
        "images.html": f"{site}/images",
        "webhooks.html": f"{site}/settings/webhooks",
        "search.html": "/admin/search?q=a",
        "summary.html": home,
        "summary_parts.html": home,
        "summary_figures.html": home,
        "period.html": home,
        "exporting.html": home,
        "summary_news.html": f"{home}/news?known=",
        "responses.html": f"{home}/responses/{answer['id']}",
        "responses_parts.html": f"{site}/responses",
        "responses_news.html": f"{home}/responses/news?known=",
        "parts.html": "/admin/sites",
        "settings_nav.html": "/admin/tokens",
        "token_lines.html": "/admin/tokens",
        "survey_head.html": f"{home}/review",
        "review.html": f"{home}/review",
        "edit.html": f"{home}/edit/question",
        "field.html": f"{home}/edit/question",
        "preview.html": f"{home}/preview",
        "account.html": "/admin/account",
        "second_step.html": "/admin/account/second-step",
        "log.html": "/admin/log",
        "users.html": "/admin/users",
        "user_tokens.html": f"/admin/users/{id_of(owner, USER)}/tokens",
        "teams.html": "/admin/teams",
        "tokens.html": "/admin/tokens",
        "problem.html": "/admin/nosuchsite12/new",
        "survey.html": survey["url"].removeprefix(services_of(owner).settings.public_url),
    }.items():
        yield template, owner.client.get(path, headers=HTML)
    yield "reference.html", described.__wrapped__("https://surveys.example")["/api"]
    yield from _pages_of_forms(owner, home)
    yield from _pages_without_an_account(owner)


def _pages_of_forms(owner: App, home: str) -> Iterator[tuple[str, Any]]:
    address = f"{home}/edit/question"
    form = Editor(owner, home, "question").form
    yield "edit_state.html", owner.client.post(address, data=form, headers=SCRIPT)
    yield "edit_drawn.html", owner.client.post(address.replace("/edit/", "/draw/"), data=form, headers=SCRIPT)
    hooks = f"{home.rpartition('/')[0]}/settings/webhooks"
    added = post(owner, hooks, url="https://receiver.invalid/hook")
    yield "webhook.html", owner.client.get(added.headers["location"], headers=HTML)
    yield "edit_signed_out.html", another_browser(owner).post(address, data=form, headers=SCRIPT)


def _pages_without_an_account(owner: App) -> Iterator[tuple[str, Any]]:
    stranger = another_browser(owner)
    yield "sign_in.html", stranger.get("/admin/sign-in", headers=HTML)
    invited = post(owner, "/admin/users/invite", email="jo@example.com", role="viewer", site=owner.site.key)
    yield "join.html", _follow(stranger, invited.text, "join")
    person(owner, "sam@example.com", "viewer")
    reset = post(owner, f"/admin/users/{id_of(owner, 'sam@example.com')}/reset")
    yield "reset.html", _follow(stranger, reset.text, "reset")
    turn_on(owner)
    yield "sign_in_code.html", first_step(owner, stranger)

    async def leave_nobody(connection: Any) -> str | None:
        await connection.execute(schema.users.delete())
        return await accounts.make_owner_link(connection, now=services_of(owner).clock())

    yield "welcome.html", stranger.get(f"/admin/welcome/{in_store(owner, leave_nobody)}", headers=HTML)


def _follow(client: TestClient, text: str, where: str) -> Any:
    (link,) = set(re.findall(rf"/admin/{where}/[\w-]+", text))
    return client.get(link, headers=HTML)


def test_every_template_is_rendered(owner: App, rendered: set[str]) -> None:
    seen = set[str]()
    for template, reply in pages_of(owner):
        assert template in rendered, f"another template than {template}: {reply}"
        seen.add(template)
        rendered.clear()
    assert set(templates().list_templates()) == seen


def test_name_that_a_page_does_not_get_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        page("sign_in.html", user=None, email="", told="", provider=None)
