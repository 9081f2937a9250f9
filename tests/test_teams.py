"""Teams: what their people may do by them."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import select

from collector.db import schema
from tests.conftest import ORIGIN, PASSWORD, USER, App, add_site
from tests.pages import plain
from tests.services import first, in_store
from tests.signed_in import acts, id_of, person, post


def test_team_gives_its_people_a_role_and_takes_it_back(owner: App) -> None:
    jo = person(owner, "jo@example.com", None)
    jos = str(id_of(owner, "jo@example.com"))
    assert post(owner, "/admin/teams/add", None, name=" Support ").status_code == 303
    there = _team(owner)
    form = {"email": "jo@example.com", "password": PASSWORD}

    def sees() -> int:
        assert jo.get("/admin/sites").headers["location"] == "/admin/sign-in", "sessions end with a change of role"
        assert jo.post("/admin/sign-in", data=form, headers=ORIGIN).status_code == 303
        return int(jo.get(f"/admin/{owner.site.key}/new").status_code)

    assert post(owner, f"{there}/role", None, site=owner.site.key, role="editor").status_code == 303
    assert jo.get(f"/admin/{owner.site.key}/new").status_code == 404, "not in it yet"
    assert post(owner, f"{there}/people", None, person=jos).status_code == 303
    assert sees() == 200
    text = plain(owner.client.get("/admin/teams").text)
    assert "Support" in text
    assert "jo@example.com Take out" in text
    assert post(owner, f"{there}/role", None, site=owner.site.key, role="viewer").status_code == 303
    assert sees() == 403
    assert post(owner, f"{there}/role", None, site=owner.site.key, role="owner").status_code == 303
    assert sees() == 200
    assert "</svg> Settings</a>" in jo.get("/admin/sites").text, "who owns by a team owns"
    assert jo.get("/admin/teams").status_code == 200
    assert post(owner, f"{there}/people", None, out=jos).status_code == 303
    assert sees() == 404
    assert post(owner, f"{there}/people", None, person=jos).status_code == 303
    assert sees() == 200
    assert post(owner, f"{there}/remove").status_code == 303
    assert sees() == 404
    done = [act for who, act in acts(owner) if who == USER and act not in ("signed.in", "user.added", "site.added")]
    roles, joined, left = "role.changed", "team.joined", "team.left"
    assert done == ["team.removed", joined, left, roles, roles, joined, roles, "team.added"]


@pytest.mark.parametrize(("name", "status"), [("", 422), ("a\nb", 422), ("Support", 409)])
def test_team_that_wont_do_is_told(owner: App, name: str, status: int) -> None:
    post(owner, "/admin/teams/add", None, name="Support")
    reply = post(owner, "/admin/teams/add", None, name=name)
    assert reply.status_code == status
    assert 'aria-describedby="name-wrong"' in reply.text


def test_team_of_nobody_knows_no_stranger(owner: App) -> None:
    post(owner, "/admin/teams/add", None, name="Support")
    there = _team(owner)
    assert post(owner, f"{there}/people", None, person="jo").status_code == 422
    assert post(owner, f"{there}/people", None, person=str(uuid4())).status_code == 404
    assert post(owner, f"/admin/teams/{uuid4()}/people", None, person=str(id_of(owner, USER))).status_code == 404
    assert post(owner, f"{there}/role", None, site="nosuchsite12", role="owner").status_code == 404
    assert post(owner, f"{there}/role", None, site=owner.site.key, role="king").status_code == 422


def test_owner_of_a_site_gives_teams_roles_on_it_alone(owner: App) -> None:
    foreign = add_site(owner.client, "", owner.site.token)
    post(owner, "/admin/teams/add", None, name="Support")
    there = _team(owner)
    post(owner, f"{there}/people", None, person=str(id_of(owner, USER)))
    jo = person(owner, "jo@example.com", "owner")
    text = jo.get("/admin/teams").text
    assert "Support" in text
    assert USER not in text
    assert "1 user" in text

    def give(site: str) -> int:
        return int(jo.post(f"{there}/role", data={"role": "viewer", "site": site}, headers=ORIGIN).status_code)

    assert [give(site) for site in (owner.site.key, foreign.key, "")] == [303, 404, 404]


def _team(owner: App) -> str:
    return f"/admin/teams/{in_store(owner, lambda one: first(one, select(schema.teams.c.id)))}"
