"""People who are signed in at the admin, the forms they send, and what the audit log says of it."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from starlette.routing import Route
from starlette.testclient import TestClient

from collector.access import accounts, audit
from collector.db import schema
from collector.surveys.lifecycle import survey_to_act_on
from collector.surveys.versions import version_of
from collector.web.admin.throttle import TRIES
from tests.conftest import ORIGIN, PASSWORD, USER, App
from tests.services import first, in_store, services_of

EVIL = ('"><script>alert(1)</script>', "<img src=x onerror=alert(1)>", "' onfocus='alert(1)")
NEW = "an even longer horse battery"


def another_browser(app: App) -> TestClient:
    other = TestClient(app.client.app, base_url="http://collector.test", follow_redirects=False)
    other.portal = app.client.portal
    return other


ACT = re.compile(r"/admin/[^/]+/([\w-]{36})/(publish|pause|resume|discard|archive|bring-back|clone|delete)")


def post(app: App, path: str, client: TestClient | None = None, **form: str) -> Any:
    """Send a form as the page of this moment has it."""
    if found := ACT.fullmatch(path):
        form.setdefault("version", version_now(app, UUID(found[1])))
    return (client or app.client).post(path, data=form, headers=ORIGIN)


def version_now(app: App, survey_id: UUID) -> str:
    async def look(connection: Any) -> str:
        query = select(schema.surveys.c.site_id).where(schema.surveys.c.id == survey_id)
        site_id = (await connection.execute(query)).scalar_one_or_none()
        return version_of(await survey_to_act_on(connection, site_id, survey_id)) if site_id else "none"

    return str(in_store(app, look))


def admin_routes(app: App) -> list[Route]:
    """Every address of the admin that the application answers."""
    routes = app.client.app.routes  # type: ignore[attr-defined]
    return [one for one in routes if isinstance(one, Route) and one.path.startswith("/admin")]


def acts(app: App) -> list[tuple[str, str]]:
    entries, _ = in_store(app, lambda connection: audit.list_entries(connection, limit=50))
    return [(one.who, one.act) for one in entries]


def lock_out(app: App, email: str = USER) -> None:
    """A stranger guesses at a password from many addresses until nothing is looked at any more."""
    for number in range(TRIES + 1):
        stranger = TestClient(app.client.app, "http://collector.test", client=(f"198.18.0.{number}", 1))
        stranger.portal = app.client.portal
        reply = stranger.post("/admin/sign-in", data={"email": email, "password": "guess"}, headers=ORIGIN)
        assert reply.status_code == (401 if number < TRIES else 429)


def person(app: App, email: str, role: accounts.Role | None, everywhere: accounts.Role | None = None) -> TestClient:
    """Someone signed in, with a role on the first site."""

    async def add(connection: Any) -> None:
        hashed = (await connection.execute(select(schema.users.c.password_hash))).scalars().first()
        user = await accounts.add_user(connection, email, hashed, now=services_of(app).clock(), role=everywhere)
        if role:
            site = (
                (await connection.execute(select(schema.sites.c.id).order_by(schema.sites.c.created_at)))
                .scalars()
                .first()
            )
            await connection.execute(insert(schema.members).values(site_id=site, user_id=user.id, role=role))

    in_store(app, add)
    client = another_browser(app)
    reply = client.post("/admin/sign-in", data={"email": email, "password": PASSWORD}, headers=ORIGIN)
    assert reply.status_code == 303
    return client


def id_of(app: App, email: str) -> UUID:
    found: UUID = in_store(app, lambda one: first(one, select(schema.users.c.id).where(schema.users.c.email == email)))
    return found


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def make_token(owner: App, **form: str) -> str:
    text = post(owner, "/admin/tokens", None, **{"name": "Dashboard", "scope": "read", "site": "", **form}).text
    (token,) = re.findall(r"tvr_[\w-]{43}", text)
    return str(token)
