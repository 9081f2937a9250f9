"""A password that was forgotten: the link that an owner or a command makes."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from collector.access.resets import make_reset
from collector.db import schema
from tests.conftest import ORIGIN, PASSWORD, USER, App
from tests.services import in_store, services_of
from tests.signed_in import NEW, acts, another_browser, id_of, person, post
from tests.stores import run_command


def link_for(owner: App, email: str) -> str:
    reply = post(owner, f"/admin/users/{id_of(owner, email)}/reset")
    assert reply.status_code == 200
    (link,) = re.findall(r"<code>(http\S+/admin/reset/[\w-]+)</code>", reply.text)
    return str(link)


def enter(client: TestClient, password: str) -> int:
    form = {"email": "jo@example.com", "password": password}
    return int(client.post("/admin/sign-in", data=form, headers=ORIGIN).status_code)


def path_of(link: str) -> str:
    return link[link.index("/admin/") :]


def test_link_gives_another_password_once(owner: App) -> None:
    jo = person(owner, "jo@example.com", "viewer")
    path = path_of(link_for(owner, "jo@example.com"))
    assert path not in owner.client.get("/admin/users").text, "it is shown once"
    new = another_browser(owner)
    assert "For jo@example.com" in new.get(path).text
    assert post(owner, path, new, password="short").status_code == 422
    assert jo.get("/admin/sites").status_code == 200, "nothing has happened yet"
    reply = post(owner, path, new, password=NEW)
    assert reply.status_code == 200
    assert "Your password is changed" in reply.text
    assert new.get("/admin/sites").status_code == 303, "the link signs nobody in"
    assert jo.get("/admin/sites").status_code == 303, "whoever was signed in is no more"
    assert [enter(new, PASSWORD), enter(new, NEW)] == [401, 303]
    assert new.get(path).status_code == 404
    assert post(owner, path, new, password=PASSWORD).status_code == 404
    assert {("jo@example.com", "password.reset"), (USER, "reset.made")} <= set(acts(owner))


def test_only_the_latest_link_is_good_and_not_for_long(owner: App) -> None:
    person(owner, "jo@example.com", "viewer")
    earlier, path = (path_of(link_for(owner, "jo@example.com")) for _ in range(2))
    assert owner.client.get(earlier).status_code == 404
    assert owner.client.get(path).status_code == 200
    ended = update(schema.links).values(expires_at=services_of(owner).clock() - timedelta(seconds=1))
    in_store(owner, lambda connection: connection.execute(ended))
    assert owner.client.get(path).status_code == 404
    assert post(owner, path, None, password=NEW).status_code == 404


def test_link_ends_with_the_password_that_it_was_made_for(owner: App) -> None:
    jo = person(owner, "jo@example.com", "viewer")
    path = path_of(link_for(owner, "jo@example.com"))
    form = {"current": PASSWORD, "password": NEW}
    assert jo.post("/admin/account/password", data=form, headers=ORIGIN).status_code == 303
    assert owner.client.get(path).status_code == 404


def test_link_ends_with_the_role_of_who_made_it(owner: App) -> None:
    al = person(owner, "al@example.com", None, "owner")
    person(owner, "jo@example.com", "viewer")
    jos = id_of(owner, "jo@example.com")
    reply = al.post(f"/admin/users/{jos}/reset", headers=ORIGIN)
    (link,) = re.findall(r"/admin/reset/[\w-]+", reply.text)
    assert owner.client.get(link).status_code == 200
    form = {"site": "", "role": "viewer"}
    assert post(owner, f"/admin/users/{id_of(owner, 'al@example.com')}/role", None, **form).status_code == 303
    assert owner.client.get(link).status_code == 404


def test_links_that_are_made_at_once_leave_one(owner: App) -> None:
    person(owner, "jo@example.com", "viewer")
    jo, made = id_of(owner, "jo@example.com"), services_of(owner)

    async def make() -> str:
        async with made.database.write() as connection:
            return (await make_reset(connection, "command line", jo, now=made.clock()))[1]

    async def all_at_once() -> list[str]:
        return list(await asyncio.gather(*(make() for _ in range(5))))

    assert owner.client.portal
    secrets = owner.client.portal.call(all_at_once)
    good = [owner.client.get(f"/admin/reset/{one}").status_code for one in secrets]
    assert sorted(good) == [200, 404, 404, 404, 404]


def test_link_of_one_kind_opens_no_other_page(owner: App) -> None:
    person(owner, "jo@example.com", "viewer")
    secret = link_for(owner, "jo@example.com").rpartition("/")[2]
    assert owner.client.get(f"/admin/join/{secret}").status_code == 404
    assert owner.client.get(f"/admin/welcome/{secret}").status_code == 404
    form = {"email": "al@example.com", "role": "viewer", "site": ""}
    (joins,) = re.findall(r"/admin/join/([\w-]+)", post(owner, "/admin/users/invite", None, **form).text)
    assert owner.client.get(f"/admin/reset/{joins}").status_code == 404


def test_link_leads_where_the_collector_is_whatever_the_request_says(owner: App) -> None:
    person(owner, "jo@example.com", "viewer")
    jos = id_of(owner, "jo@example.com")
    forged = {**ORIGIN, "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    text = owner.client.post(f"/admin/users/{jos}/reset", headers=forged).text
    assert f"{services_of(owner).settings.public_url}/admin/reset/" in text
    assert "evil.example" not in text


def test_person_who_goes_takes_the_link_along(owner: App) -> None:
    person(owner, "jo@example.com", "viewer")
    path = path_of(link_for(owner, "jo@example.com"))
    assert post(owner, f"/admin/users/{id_of(owner, 'jo@example.com')}/remove").status_code == 303
    assert owner.client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/admin/reset/nothing", "/admin/reset/%00", "/admin/reset/ü"])
def test_link_that_never_was_says_so(owner: App, path: str) -> None:
    reply = owner.client.get(path, headers=ORIGIN)
    assert reply.status_code == 404
    assert "Ask an owner for a new one" in reply.text


def test_command_makes_a_link_too(owner: App) -> None:
    jo = person(owner, "jo@example.com", None)
    salted = update(schema.users).where(schema.users.c.email == "jo@example.com").values(otp_salt="x")
    in_store(owner, lambda connection: connection.execute(salted))
    url = services_of(owner).settings.database_url
    done = run_command("user", "reset", "Jo@example.com", url=url)
    assert post(owner, path_of(done.stdout.strip()), jo, password=NEW).status_code == 200
    assert enter(jo, NEW) == 200, "the second step is asked for"
    done = run_command("user", "reset", "jo@example.com", "--without-second-step", url=url)
    assert post(owner, path_of(done.stdout.strip()), jo, password=PASSWORD).status_code == 200
    assert enter(jo, PASSWORD) == 303
    done = run_command("user", "reset", "nobody@example.com", url=url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no user with this address" in done.stderr
    assert [who for who, act in acts(owner) if act == "reset.made"] == ["command line"] * 2
