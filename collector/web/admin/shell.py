"""What stands around every page of someone who is signed in: the navigation, the site they are at, their account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from collector.access.accounts import Role, User
from collector.access.roles import allows, sites_for
from collector.access.sites import Site
from collector.web.http.auth import keep, kept
from collector.web.http.rendering import page
from collector.web.http.services import services_of

Place = Literal["home", "surveys", "responses", "settings", "sites", "search", "account"]
"""Items of the navigation."""
SITE = "site"
"""The cookie that remembers which site someone was at."""
SITE_KEPT = timedelta(days=365)
MOST_SITES = 12
"""Of the switcher; all of them are on a page of their own."""


@dataclass(frozen=True)
class Shell:
    """``site`` is the one that someone is at, None where they are at none; ``role`` theirs on it."""

    user: User
    sites: Sequence[Site]
    site: Site | None
    role: Role | None
    here: Place

    @property
    def is_owner(self) -> bool:
        """Whether they own the site that they are at."""
        return allows(self.role, "owner")

    @property
    def may_edit(self) -> bool:
        return allows(self.role, "editor")

    @property
    def others(self) -> Sequence[Site]:
        """The other sites that the switcher offers."""
        return [one for one in self.sites if one != self.site][:MOST_SITES]


async def shell_of(request: Request, user: User, site: Site | None = None, here: Place = "account") -> Shell:
    """Around a page of this site, or where it is of none, of the one that they were at last."""
    async with services_of(request).database.read() as connection:
        found = await sites_for(connection, user)
    key = site.key if site else kept(request, SITE) or (found[0][0].key if len(found) == 1 else "")
    at, role = next(((one, role) for one, role in found if one.key == key), (None, None))
    return Shell(user, [one for one, _ in found], at, role, here)


async def admin_page(
    request: Request,
    template: str,
    *,
    user: User,
    site: Site | None = None,
    here: Place = "account",
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response:
    """A page inside the shell; an undefined name is an error."""
    shell = await shell_of(request, user, site, here)
    response = page(template, status=status, headers=headers, user=user, site=site, shell=shell, **values)
    if site and kept(request, SITE) != site.key:
        keep(request, response, SITE, site.key, SITE_KEPT)
    return response


async def last_site(request: Request, user: User) -> Response:
    """To the site that someone was at last or has alone, or else to all of theirs."""
    shell = await shell_of(request, user)
    return RedirectResponse(f"/admin/{shell.site.key}" if shell.site else "/admin/sites", 303)
