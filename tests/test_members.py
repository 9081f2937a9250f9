"""Roles: every route for everybody, people and invitations, and what a token may do."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, insert, select, update
from starlette.testclient import TestClient

from collector.access import accounts, teams
from collector.access.joining import make_join_link
from collector.access.keys import digest
from collector.access.roles import allows
from collector.access.sites import site_by_id, site_by_key
from collector.access.tokens import add_token
from collector.automations.webhooks import KIND, create_webhook
from collector.db import schema
from collector.errors import Forbidden
from collector.surveys.images import add_image, encode
from collector.web.api import routes as api
from collector.web.http import bodies
from tests.conftest import ORIGIN, PASSWORD, USER, App, add_site
from tests.events import response
from tests.pages import plain
from tests.pictures import PIXEL
from tests.services import first, in_store, services_of
from tests.signed_in import acts, admin_routes, another_browser, bearer, id_of, make_token, person, post, version_now

NEEDS: dict[str, str] = {
    "/admin/welcome/{secret}": "link",
    "/admin/join/{secret}": "link",
    "/admin/reset/{secret}": "link",
    "/admin/sign-in": "nobody",
    "/admin/sign-in/code": "nobody",
    "/admin/sign-on": "nobody",
    "/admin/sign-on/back": "nobody",
    "/admin/sign-out": "anybody",
    "/admin/account": "anybody",
    "/admin/account/second-step": "anybody",
    "/admin/account/second-step/off": "anybody",
    "/admin/account/password": "anybody",
    "/admin/account/sessions/{name}/end": "anybody",
    "/admin": "anybody",
    "/admin/": "nobody",
    "/admin/log": "everywhere",
    "/admin/search": "anybody",
    "/admin/sites": "anybody",
    "/admin/sites/add": "everywhere",
    "/admin/users": "owner",
    "/admin/users/invite": "owner",
    "/admin/users/joining/{name}/withdraw": "owner",
    "/admin/users/{user:uuid}/role": "owner",
    "/admin/users/{user:uuid}/remove": "everywhere",
    "/admin/users/{user:uuid}/tokens": "owner",
    "/admin/users/{user:uuid}/reset": "everywhere",
    "/admin/users/{user:uuid}/second-step/off": "everywhere",
    "/admin/teams": "owner",
    "/admin/teams/add": "everywhere",
    "/admin/teams/{team:uuid}/remove": "everywhere",
    "/admin/teams/{team:uuid}/people": "everywhere",
    "/admin/teams/{team:uuid}/role": "owner",
    "/admin/tokens": "owner",
    "/admin/tokens/{token:uuid}/revoke": "owner",
    "/admin/tokens/{token:uuid}/take-over": "owner",
    "/admin/{site}": "viewer",
    "/admin/{site}/surveys": "viewer",
    "/admin/{site}/responses": "viewer",
    "/admin/{site}/responses.{ending}": "viewer",
    "/admin/{site}/responses/news": "viewer",
    "/admin/{site}/responses/{response:uuid}": "viewer",
    "/admin/{site}/responses/{response:uuid}/delete": "editor",
    "/admin/{site}/settings": "owner",
    "/admin/{site}/images": "editor",
    "/admin/{site}/images/{name}/remove": "editor",
    "/admin/{site}/settings/logo": "owner",
    "/admin/{site}/settings/logo/remove": "owner",
    "/admin/{site}/settings/frequency": "owner",
    "/admin/{site}/settings/identify": "owner",
    "/admin/{site}/settings/webhooks": "owner",
    "/admin/{site}/settings/webhooks/{webhook:uuid}": "owner",
    "/admin/{site}/settings/webhooks/{webhook:uuid}/secret": "owner",
    "/admin/{site}/settings/webhooks/{webhook:uuid}/remove": "owner",
    "/admin/{site}/settings/webhooks/{webhook:uuid}/deliveries/{delivery:uuid}/redo": "owner",
    "/admin/{site}/new": "editor",
    "/admin/{site}/{id:uuid}/edit/{tab}": "editor",
    "/admin/{site}/{id:uuid}/draw/{tab}": "editor",
    "/admin/{site}/{id:uuid}/languages/add": "editor",
    "/admin/{site}/{id:uuid}/languages/remove": "editor",
    "/admin/{site}/{id:uuid}/preview": "editor",
    "/admin/{site}/{id:uuid}/review": "editor",
    "/admin/{site}/{id:uuid}/test": "editor",
    "/admin/{site}/{id:uuid}/{act}": "editor",
    "/admin/{site}/{id:uuid}/revisions/{number:int}/draft": "editor",
    "/admin/{site}/{id:uuid}": "viewer",
    "/admin/{site}/{id:uuid}/responses": "viewer",
    "/admin/{site}/{id:uuid}/responses/news": "viewer",
    "/admin/{site}/{id:uuid}/news": "viewer",
    "/admin/{site}/{id:uuid}/responses.{ending}": "viewer",
    "/admin/{site}/{id:uuid}/responses/{response:uuid}": "viewer",
}
"""What each address takes: a link, being signed in, a role on the site, or owning every site."""


def test_every_route_says_what_it_takes(app: App) -> None:
    assert {route.path for route in admin_routes(app)} == set(NEEDS)


ROLES: dict[str, tuple[accounts.Role | None, accounts.Role | None]] = {
    "without": (None, None),
    "viewer": ("viewer", None),
    "editor": ("editor", None),
    "owner": ("owner", None),
    "everywhere": (None, "owner"),
}


def may(who: str, needs: str) -> bool:
    if needs == "anybody":
        return True
    role = ROLES[who][0]
    return who == "everywhere" or (needs != "everywhere" and role is not None and allows(role, needs))  # type: ignore[arg-type]


def test_every_route_is_denied_to_whom_it_should_be(owner: App) -> None:
    foreign = add_site(owner.client, "", owner.site.token)
    mine, theirs = owner.site.publish(), foreign.publish()
    reply = owner.client.post(f"/w/{owner.site.key}/events", json={"events": [answer := response(mine)]})
    assert reply.status_code == 200
    there = owner.client.post(f"/w/{foreign.key}/events", json={"events": [other := response(theirs)]})
    assert there.status_code == 200
    people = {who: person(owner, f"{who}@people.example", *roles) for who, roles in ROLES.items()}
    looked = 0
    for route in admin_routes(owner):
        needs = NEEDS[route.path]
        if needs in ("link", "nobody") or route.path in ("/admin/sign-out", "/admin/account/sessions/{name}/end"):
            continue  # those who come by a link have no role yet, and signing out ends the test
        for method in sorted((route.methods or set()) - {"HEAD"}):
            for who, client in people.items():
                for site, survey, given in ((owner.site, mine, answer), (foreign, theirs, other)):
                    if "{site}" not in route.path and site is foreign:
                        continue
                    path, somebody = _filled(owner, route.path, site.key, survey["id"], given["id"])
                    body = {"site": site.key, "role": "viewer", "email": "new@example.com", "address": "x.example"}
                    body |= {"person": somebody, "name": somebody}
                    body |= {"version": version_now(owner, UUID(survey["id"]))} if "{act}" in route.path else {}
                    reply = client.request(method, path, headers=ORIGIN, data=body if method == "POST" else None)
                    said = (who, method, path, reply.status_code)
                    if site is foreign and who != "everywhere":
                        assert reply.status_code == 404, said
                    elif may(who, needs):
                        let_in = reply.status_code not in (403, 404, 500)
                        assert let_in or "ranslation not found" in reply.text or path.endswith("/delete"), said
                    elif who == "without" and "{site}" in route.path:
                        assert reply.status_code == 404, said
                    else:
                        assert reply.status_code in (403, 404), said
                    looked += 1
    assert looked > 150


def _filled(app: App, path: str, site: str, survey: str, given: str) -> tuple[str, str]:
    """The address, with a person of the second step, a token and a team that are there; and the person's id."""

    async def add_picture(connection: Any) -> str:
        made, own = encode(PIXEL), await site_by_key(connection, site)
        await add_image(connection, own, made, by="tests", now=services_of(app).clock())
        return made.name

    async def add_webhook(connection: Any) -> tuple[UUID, UUID]:
        await connection.execute(delete(schema.webhooks))  # a site has few
        now, own = services_of(app).clock(), await site_by_key(connection, site)
        webhook = await create_webhook(connection, own.id, "https://93.184.216.34/", by="tests", now=now)
        delivery, about = uuid4(), {"site_id": own.id, "kind": KIND, "target_id": webhook.id, "payload": "{}"}
        times = {"due_at": now, "created_at": now, "finished_at": now}
        await connection.execute(insert(schema.jobs).values(id=delivery, **about, **times, status="done", attempts=1))
        return webhook.id, delivery

    async def add(connection: Any) -> tuple[UUID, UUID, UUID, str]:
        name, now = f"{uuid4().hex}@example.com", services_of(app).clock()
        user = await accounts.add_user(connection, name, "-", now=now, role=None)
        salted = update(schema.users).where(schema.users.c.id == user.id)
        await connection.execute(salted.values(otp_salt="x"))
        own = await first(connection, select(schema.sites.c.id).where(schema.sites.c.key == app.site.key))
        await add_token(connection, name, now=now, site_id=own)
        token = await first(connection, select(schema.tokens.c.id).where(schema.tokens.c.name == name))
        by = accounts.User(
            await first(connection, select(schema.users.c.id).where(schema.users.c.email == USER)), USER, "owner"
        )
        team = await teams.add_team(connection, by, name, now=now)
        here = await site_by_id(connection, own)
        secret = await make_join_link(connection, by, f"{uuid4().hex}@example.com", "viewer", here, now=now)
        return user.id, token, team, digest(secret or "")[:16]

    made = in_store(app, add) if re.search("{(user|token|team|name)", path) else ("", "", "", "")
    user, token, team, invitation = made
    values: dict[str, object] = {
        "{site}": site,
        "{id:uuid}": survey,
        "{tab}": "question",
        "{act}": "clone",
        "{ending}": "csv",
    }
    values |= {
        "{name}": invitation,
        "{response:uuid}": given,
        "{user:uuid}": user,
        "{token:uuid}": token,
        "{team:uuid}": team,
    }
    if "/images/{name}" in path:
        values["{name}"] = in_store(app, add_picture)
    if "{webhook:uuid}" in path:
        values["{webhook:uuid}"], values["{delivery:uuid}"] = in_store(app, add_webhook)
    values |= {"{number:int}": "1"}
    for name, value in values.items():
        path = path.replace(name, str(value))
    return path, str(user or uuid4())


def test_viewer_is_offered_nothing_to_write(owner: App) -> None:
    survey = owner.site.publish()
    add_site(owner.client, "", owner.site.token)
    viewer = person(owner, "viewer@example.com", "viewer")
    text = viewer.get("/admin/sites").text
    assert text.count('class="name"') == 1, "the other site is not told of"
    assert "Add site" not in text
    for path in (f"/admin/{owner.site.key}", f"/admin/{owner.site.key}/surveys"):
        text = viewer.get(path).text
        assert "/new" not in text
        assert "Settings" not in text
    assert "Settings" in person(owner, "local@people.example", "owner").get("/admin/sites").text
    page = viewer.get(f"/admin/{owner.site.key}/{survey['id']}").text
    assert "/edit/" not in page
    assert "Pause" not in page
    nothing = person(owner, "nobody@example.com", None)
    assert "You have no role on any site" in nothing.get("/admin/sites").text


# ---- people and invitations


def link_in(text: str) -> str:
    (link,) = re.findall(r"(/admin/join/[\w-]+)", text)
    return str(link)


@pytest.mark.parametrize("everywhere", [False, True], ids=["one site", "every site"])
def test_person_is_invited_and_joins(owner: App, everywhere: bool) -> None:
    site = "" if everywhere else owner.site.key
    reply = post(owner, "/admin/users/invite", None, email=" Jo@Example.com ", role="editor", site=site)
    link = link_in(reply.text)
    jo = another_browser(owner)
    assert "jo@example.com" in jo.get(link).text
    assert jo.post(link, data={"password": "short"}, headers=ORIGIN).status_code == 422
    assert jo.post(link, data={"password": "a long enough password"}, headers=ORIGIN).status_code == 303
    assert "Create survey" in jo.get(f"/admin/{owner.site.key}/surveys").text
    assert jo.get(f"/admin/{owner.site.key}/new").status_code == 200
    assert jo.get("/admin/users", headers=ORIGIN).status_code == 403
    assert jo.get(link).status_code == 404, "it works once"
    text = plain(owner.client.get("/admin/users").text)
    assert "jo@example.com" in text
    assert {"join.link.made", "user.added"} <= {act for _, act in acts(owner)}


def test_person_who_has_an_account_gets_the_role_at_once_and_signs_in_anew(owner: App) -> None:
    jo = person(owner, "jo@example.com", "viewer")
    assert jo.get(f"/admin/{owner.site.key}/new", headers=ORIGIN).status_code == 403
    reply = post(owner, "/admin/users/invite", None, email="jo@example.com", role="editor", site=owner.site.key)
    assert "has the role now" in reply.text
    assert jo.get("/admin/sites").headers["location"] == "/admin/sign-in", "sessions end with a change of role"
    jo.post("/admin/sign-in", data={"email": "jo@example.com", "password": PASSWORD}, headers=ORIGIN)
    assert jo.get(f"/admin/{owner.site.key}/new").status_code == 200
    jos = id_of(owner, "jo@example.com")
    assert post(owner, f"/admin/users/{jos}/role", None, site=owner.site.key, role="").status_code == 303
    jo.post("/admin/sign-in", data={"email": "jo@example.com", "password": PASSWORD}, headers=ORIGIN)
    assert jo.get(f"/admin/{owner.site.key}/new", headers=ORIGIN).status_code == 404
    assert post(owner, f"/admin/users/{jos}/remove").status_code == 303
    assert "jo@example.com" not in owner.client.get("/admin/users").text
    assert jo.get("/admin/sites").headers["location"] == "/admin/sign-in"


def test_invitation_does_not_say_which_addresses_have_an_account(owner: App) -> None:
    """Whoever owns one site alone learns nothing of people on others; who was invited joins by the link either way."""
    foreign = add_site(owner.client, "", owner.site.token)
    known = person(owner, "known@example.com", None)
    sam = person(owner, "sam@example.com", "owner")
    pages = {}
    for email in ("known@example.com", "new@example.com"):
        form = {"email": email, "role": "editor", "site": owner.site.key}
        reply = post(owner, "/admin/users/invite", sam, **form)
        link = link_in(reply.text)
        told = reply.text + another_browser(owner).get(link).text
        pages[email] = told.replace(email, "…").replace(link, "…")
        if email == "known@example.com":
            join = link
    assert pages["known@example.com"].replace("…", "") != ""
    invited = [re.sub(r"until.*?UTC|/invitations/\w+/|aria-label=\S+", "", text) for text in pages.values()]
    assert invited[0].count("Make the account") == invited[1].count("Make the account") == 1
    assert "has an account" not in invited[0].partition('<form class="narrow"')[0]
    assert post(owner, join, sam).status_code == 422, "it is another's"
    assert "You are signed in as known@example.com" in known.get(join).text
    assert known.get(f"/admin/{owner.site.key}/new", headers=ORIGIN).status_code == 404
    assert post(owner, join, known).status_code == 303
    assert known.get(f"/admin/{owner.site.key}/new").status_code == 200
    assert known.get(f"/admin/{foreign.key}/new", headers=ORIGIN).status_code == 404
    assert post(owner, join, known).status_code == 404, "once"


def test_somebody_always_owns_everything(owner: App) -> None:
    me = id_of(owner, USER)
    for path, form in (
        (f"/admin/users/{me}/role", {"role": "viewer", "site": ""}),
        (f"/admin/users/{me}/remove", {}),
    ):
        reply = post(owner, path, None, **form)
        assert reply.status_code == 409
        assert "At least one user must be owner of every site" in reply.text
    person(owner, "jo@example.com", None, "owner")
    assert post(owner, f"/admin/users/{me}/role", None, role="viewer", site="").status_code == 303


def invited(by: TestClient, email: str, role: str, site: str) -> str:
    reply = by.post("/admin/users/invite", data={"email": email, "role": role, "site": site}, headers=ORIGIN)
    return link_in(reply.text)


def joins(app: App, link: str) -> TestClient | None:
    """Whoever joins by a link; None where it is not good."""
    client = another_browser(app)
    reply = client.post(link, data={"password": "a long enough password"}, headers=ORIGIN)
    assert reply.status_code in (303, 404)
    return client if reply.status_code == 303 else None


def test_invitation_takes_the_place_of_an_earlier_one_and_is_withdrawn(owner: App) -> None:
    first_link, second = (invited(owner.client, "jo@example.com", role, "") for role in ("owner", "viewer"))
    other = invited(owner.client, "jo@example.com", "editor", owner.site.key)
    assert owner.client.get(first_link).status_code == 404
    text = plain(owner.client.get("/admin/users").text)
    assert "Editor on Site" in text
    assert "Viewer on every site" in text
    assert "Owner on every site" not in text
    for path in re.findall(r"/admin/users/joining/\w+/withdraw", owner.client.get("/admin/users").text):
        assert post(owner, path).status_code == 303
        assert post(owner, path).status_code == 404
    assert [joins(owner, link) for link in (second, other)] == [None, None]
    assert "Invited" not in plain(owner.client.get("/admin/users").text)
    assert [act for _, act in acts(owner)[:2]] == ["join.link.withdrawn"] * 2


def test_owner_of_one_site_withdraws_what_is_for_it_alone(owner: App) -> None:
    jo = person(owner, "jo@example.com", "owner")
    everywhere = invited(owner.client, "al@example.com", "viewer", "")
    assert "al@example.com" not in jo.get("/admin/users").text
    (path,) = re.findall(r"/admin/users/joining/\w+/withdraw", owner.client.get("/admin/users").text)
    assert jo.post(path, headers=ORIGIN).status_code == 403
    assert joins(owner, everywhere)


def test_person_who_was_removed_has_no_link_left(owner: App) -> None:
    links = [invited(owner.client, "jo@example.com", "owner", site) for site in ("", owner.site.key)]
    jo = joins(owner, links[1])
    assert jo
    assert post(owner, f"/admin/users/{id_of(owner, 'jo@example.com')}/remove").status_code == 303
    assert joins(owner, links[0]) is None


@pytest.mark.parametrize("how", ["removed", "no owner any more", "on one site"])
def test_links_of_an_owner_end_with_what_made_them(owner: App, how: str) -> None:
    role: tuple[accounts.Role | None, accounts.Role | None] = (
        ("owner", None) if how == "on one site" else (None, "owner")
    )
    jo = person(owner, "jo@example.com", *role)
    mine = invited(owner.client, "me@example.com", "viewer", owner.site.key)
    theirs = invited(jo, "al@example.com", "owner", owner.site.key)
    path = f"/admin/users/{id_of(owner, 'jo@example.com')}"
    if how == "removed":
        assert post(owner, f"{path}/remove").status_code == 303
    else:
        site = owner.site.key if how == "on one site" else ""
        assert post(owner, f"{path}/role", None, role="editor", site=site).status_code == 303
    assert joins(owner, theirs) is None
    assert joins(owner, mine)


def test_role_that_changes_nothing_signs_nobody_out(owner: App) -> None:
    local = person(owner, "local@example.com", "owner")
    boss = person(owner, "boss@example.com", None, "owner")
    form = {"email": "boss@example.com", "role": "viewer", "site": owner.site.key}
    assert local.post("/admin/users/invite", data=form, headers=ORIGIN).status_code == 200
    assert boss.get("/admin/sites").status_code == 200, "who owns everything is not put out by who owns a part"
    local_id = id_of(owner, "local@example.com")
    assert post(owner, f"/admin/users/{local_id}/role", None, role="owner", site=owner.site.key).status_code == 303
    assert local.get("/admin/sites").status_code == 200


def test_request_that_waited_is_looked_at_again(owner: App) -> None:
    """A person who is removed while their own request waits for its turn hands out nothing."""
    person(owner, "jo@example.com", None, "owner")
    jo = accounts.User(id_of(owner, "jo@example.com"), "jo@example.com", "owner")
    site = in_store(owner, lambda one: first(one, select(schema.sites.c.id)))
    assert post(owner, f"/admin/users/{jo.id}/role", None, role="editor", site="").status_code == 303

    async def hand_out(connection: Any) -> None:
        now = services_of(owner).clock()
        for where in (None, await site_by_id(connection, site)):
            with pytest.raises(Forbidden):
                await make_join_link(connection, jo, "al@example.com", "owner", where, now=now)
        with pytest.raises(Forbidden):
            await teams.add_team(connection, jo, "Team", now=now)
        await connection.execute(delete(schema.sessions).where(schema.sessions.c.user_id == jo.id))
        await connection.execute(delete(schema.users).where(schema.users.c.id == jo.id))
        with pytest.raises(Forbidden, match="removed in the meantime"):
            await make_join_link(connection, jo, "al@example.com", "owner", None, now=now)

    in_store(owner, hand_out)


def test_owner_changes_their_own_way_in_with_the_password_alone(owner: App) -> None:
    me = id_of(owner, USER)
    for path in (f"/admin/users/{me}/reset", f"/admin/users/{me}/second-step/off"):
        reply = post(owner, path)
        assert reply.status_code == 403
        assert "under Account" in reply.text


@pytest.mark.parametrize(
    ("email", "role", "place"),
    [("nobody", "viewer", "e-mail address"), ("jo@example.com", "king", "viewer, editor or")],
)
def test_invitation_that_wont_do_is_told(owner: App, email: str, role: str, place: str) -> None:
    reply = post(owner, "/admin/users/invite", None, email=email, role=role, site="")
    assert reply.status_code == 422
    assert place in reply.text
    assert f'value="{email}"' in reply.text


def test_owner_of_one_site_gives_roles_on_it_alone(owner: App) -> None:
    foreign = add_site(owner.client, "", owner.site.token)
    jo = person(owner, "jo@example.com", "owner")
    text = jo.get("/admin/users").text
    assert "Every site" not in text
    assert USER not in text

    def give(site: str) -> int:
        form = {"email": "al@example.com", "role": "owner", "site": site}
        return int(jo.post("/admin/users/invite", data=form, headers=ORIGIN).status_code)

    assert [give(site) for site in (owner.site.key, "", foreign.key)] == [200, 403, 404]


# ---- tokens


def test_token_is_shown_once_used_and_revoked(owner: App) -> None:
    token = make_token(owner, scope="write")
    page = owner.client.get("/admin/tokens").text
    assert token not in page
    assert "never used" in page
    assert owner.client.get("/api/v1/sites", headers=bearer(token)).status_code == 200
    assert "last used" in owner.client.get("/admin/tokens").text
    (path, *_) = re.findall(r"/admin/tokens/[\w-]+/revoke", owner.client.get("/admin/tokens").text)
    assert post(owner, path).status_code == 303
    assert owner.client.get("/api/v1/sites", headers=bearer(token)).status_code == 401
    assert [act for _, act in acts(owner)[:2]] == ["token.revoked", "token.added"]
    assert post(owner, path).status_code == 404


def test_token_that_reads_writes_nothing(owner: App) -> None:
    survey = owner.site.publish()
    headers = bearer(make_token(owner))
    assert owner.client.get(f"/api/v1/surveys/{survey['id']}", headers=headers).status_code == 200
    for method, path in (
        ("POST", "/surveys"),
        ("PUT", f"/surveys/{survey['id']}"),
        ("DELETE", f"/surveys/{survey['id']}"),
        ("POST", f"/surveys/{survey['id']}/pause"),
        ("POST", "/sites"),
        ("PATCH", f"/sites/{owner.site.key}"),
        ("DELETE", f"/responses/{uuid4()}"),
        ("POST", "/webhooks"),
    ):
        reply = owner.client.request(method, f"/api/v1{path}", headers=headers, json={})
        assert (reply.status_code, reply.json()["detail"]) == (403, "This token is read-only."), path


def test_token_that_reads_is_told_no_secret(owner: App) -> None:
    owner.site.call("POST", "/webhooks", {"url": "https://hooks.example/in"})
    reading, writing = (bearer(make_token(owner, name=scope, scope=scope)) for scope in ("read", "write"))
    for path, secret in (("/sites", "identify_secret"), ("/webhooks", "secret")):
        for headers, shown in ((reading, False), (writing, True)):
            (item,) = owner.client.get(f"/api/v1{path}", headers=headers).json()["items"]
            assert bool(item[secret]) is shown, path


def test_tokens_say_who_made_them_and_figures_of_all_take_one_for_all(owner: App) -> None:
    local, everywhere = (bearer(make_token(owner, name=f"T{site}", site=site)) for site in (owner.site.key, ""))
    assert f"created by {USER} on" in plain(owner.client.get("/admin/tokens").text)
    assert [owner.client.get("/metrics", headers=one).status_code for one in (local, everywhere)] == [403, 200]


def test_token_of_a_site_knows_no_other(owner: App) -> None:
    foreign = add_site(owner.client, "", owner.site.token)
    theirs = foreign.publish()
    headers = bearer(make_token(owner, scope="write", site=owner.site.key))
    sites = owner.client.get("/api/v1/sites", headers=headers).json()["items"]
    assert [one["key"] for one in sites] == [owner.site.key]
    assert owner.client.get("/api/v1/surveys", headers=headers).status_code == 200, "its own site goes without saying"
    for method, path in (
        ("GET", f"/sites/{foreign.key}"),
        ("GET", f"/surveys?site={foreign.key}"),
        ("GET", f"/surveys/{theirs['id']}?site={foreign.key}"),
        ("GET", f"/surveys/{theirs['id']}"),
        ("POST", f"/surveys/{theirs['id']}/pause?site={foreign.key}"),
        ("GET", f"/responses?site={foreign.key}"),
        ("GET", f"/webhooks?site={foreign.key}"),
    ):
        assert owner.client.request(method, f"/api/v1{path}", headers=headers).status_code == 404, path
    assert owner.client.post("/api/v1/sites", headers=headers, json={"name": "x"}).status_code == 403


# ---- a token and whoever made it


def made_by(owner: App, maker: TestClient, **form: str) -> dict[str, str]:
    text = post(owner, "/admin/tokens", maker, **{"name": "Theirs", "scope": "write", **form}).text
    return bearer(re.findall(r"tvr_[\w-]{43}", text)[0])


def may_do(owner: App, headers: dict[str, str], survey: str) -> dict[str, Any]:
    """How the calls of a program end, and whether it is told the site's secret."""
    calls = [("GET", ""), ("POST", "/clone"), ("POST", "/pause")]
    found: dict[str, Any] = {}
    for method, act in calls:
        address = f"/api/v1/surveys/{survey}{act}?site={owner.site.key}"
        found[f"{method} {act}".strip()] = owner.client.request(method, address, headers=headers).status_code
    hook = {"url": "https://hooks.example/in"}
    path = f"/api/v1/webhooks?site={owner.site.key}"
    found["webhook"] = owner.client.post(path, headers=headers, json=hook).status_code
    shown = owner.client.get(f"/api/v1/sites/{owner.site.key}", headers=headers)
    found["secret"] = bool(shown.json().get("identify_secret"))
    return found


NOTHING = {"GET": 404, "POST /clone": 404, "POST /pause": 404, "webhook": 404, "secret": False}
READS = {"GET": 200, "POST /clone": 403, "POST /pause": 403, "webhook": 403, "secret": False}
EDITS = {"GET": 200, "POST /clone": 201, "POST /pause": 200, "webhook": 403, "secret": False}
EVERYTHING = {"GET": 200, "POST /clone": 201, "POST /pause": 200, "webhook": 201, "secret": True}


@pytest.mark.parametrize("site", [True, False], ids=["of one site", "of every site"])
def test_token_does_no_more_than_its_maker_may_now(owner: App, site: bool) -> None:
    survey = owner.site.publish()["id"]
    maker = person(owner, "maker@example.com", *(("owner", None) if site else (None, "owner")))
    key = owner.site.key if site else ""
    headers = made_by(owner, maker, site=key)
    assert may_do(owner, headers, survey) == EVERYTHING
    address = f"/admin/users/{id_of(owner, 'maker@example.com')}"
    for role, wanted in (("editor", EDITS), ("viewer", READS), ("", NOTHING), ("owner", EVERYTHING)):
        reply = post(owner, f"{address}/role", None, role=role, site=key)
        asked = f"{address}/tokens" if role != "owner" else "/admin/users"
        assert (reply.status_code, reply.headers["location"]) == (303, asked)
        assert may_do(owner, headers, survey) == wanted, role
        said = plain(owner.client.get("/admin/tokens").text)
        assert ("as its maker" in said or "opens nothing" in said) is (role != "owner")
    assert owner.client.get("/metrics", headers=headers).status_code == (403 if site else 200)


def test_token_of_a_person_who_was_removed_opens_nothing(owner: App) -> None:
    survey = owner.site.publish()["id"]
    headers = made_by(owner, person(owner, "maker@example.com", None, "owner"), site="")
    address = f"/admin/users/{id_of(owner, 'maker@example.com')}"
    people = owner.client.get("/admin/users").text
    assert f"{address}/tokens" in people
    assert f"{address}/remove" not in people, "it is asked first"
    asked = owner.client.get(f"{address}/tokens").text
    assert "Theirs" in asked
    assert f"{address}/remove" in asked
    assert post(owner, f"{address}/remove").status_code == 303
    reply = owner.client.get(f"/api/v1/surveys/{survey}", headers=headers)
    assert reply.status_code == 401
    assert "Theirs" not in owner.client.get("/admin/tokens").text
    assert [act for _, act in acts(owner)[:2]] == ["user.removed", "token.revoked"]
    assert owner.site.call("GET", "/surveys").status_code == 200, "what the command line made stands"


def test_token_that_is_taken_over_outlives_its_maker(owner: App) -> None:
    survey = owner.site.publish()["id"]
    headers = made_by(owner, person(owner, "maker@example.com", "owner"), site=owner.site.key)
    address = f"/admin/users/{id_of(owner, 'maker@example.com')}"
    (path,) = re.findall(r"/admin/tokens/[\w-]+/take-over", owner.client.get(f"{address}/tokens").text)
    assert post(owner, path, person(owner, "viewer@example.com", "viewer")).status_code == 403
    assert post(owner, path).status_code == 303
    assert post(owner, f"{address}/remove").status_code == 303
    assert may_do(owner, headers, survey) == EVERYTHING
    assert f"created by {USER}" in plain(owner.client.get("/admin/tokens").text)
    assert (USER, "token.taken") in acts(owner)


@pytest.mark.parametrize("how", ["revoked", "its maker demoted"])
def test_token_that_ended_while_a_body_came_in_writes_nothing(
    owner: App, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A body may take as long as its sender likes to arrive."""
    headers = made_by(owner, person(owner, "maker@example.com", "owner"), site=owner.site.key)
    before = len(owner.site.call("GET", "/surveys").json()["items"])
    read = bodies.read_json

    async def slowly(*arguments: Any) -> Any:
        found = await read(*arguments)
        here = schema.tokens.delete().where(schema.tokens.c.name == "Theirs")
        async with services_of(owner).database.write() as connection:
            await connection.execute(here if how == "revoked" else schema.members.update().values(role="viewer"))
        return found

    monkeypatch.setattr(api, "read_json", slowly)
    document = {"name": "Late", "metric": "csat", "question": "?"}
    reply = owner.client.post("/api/v1/surveys", headers=headers, json=document)
    assert reply.status_code == (401 if how == "revoked" else 403)
    assert len(owner.site.call("GET", "/surveys").json()["items"]) == before


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({"name": ""}, 422, "visible text"),
        ({"name": "tests"}, 409, "already"),
        ({"scope": "all"}, 422, "read or write"),
    ],
)
def test_token_that_wont_do_is_told(owner: App, form: dict[str, str], status: int, said: str) -> None:
    reply = post(owner, "/admin/tokens", None, **{"name": "Dashboard", "scope": "read", "site": "", **form})
    assert reply.status_code == status
    assert said in reply.text
