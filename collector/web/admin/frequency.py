"""How often one browser is shown surveys, over all those of a site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access.accounts import User
from collector.access.roles import site_for
from collector.access.sites import MOST_QUIET_DAYS, Frequency, Site, change_site
from collector.errors import Invalid
from collector.web.admin.shell import admin_page
from collector.web.http.auth import read_form, require_user
from collector.web.http.services import services_of


async def frequency(request: Request) -> Response:
    user = await require_user(request)
    async with services_of(request).database.read() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "owner")
    own = site.settings.frequency
    shown = {"quiet_days": own.quiet_days or "", "once_per_session": own.once_per_session}
    return await _frequency(request, user, site, shown, is_saved="saved" in request.query_params)


async def _frequency(
    request: Request,
    user: User,
    site: Site,
    shown: Mapping[str, object],
    wrong: str = "",
    *,
    is_saved: bool = False,
    status: int = 200,
) -> Response:
    return await admin_page(
        request,
        "frequency.html",
        status=status,
        user=user,
        site=site,
        here="settings",
        shown=shown,
        most=MOST_QUIET_DAYS,
        wrong_days=wrong,
        is_saved=is_saved,
    )


async def save(request: Request) -> Response:
    form = await read_form(request)
    user = await require_user(request)
    services, days = services_of(request), form.get("quiet_days", "").strip()
    once = "once_per_session" in form
    async with services.database.write() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "owner")
        try:
            given = Frequency.read(_number(days), once)
        except Invalid as error:
            told = error.faults[0].detail
            shown = {"quiet_days": days, "once_per_session": once}
            return await _frequency(request, user, site, shown, f"This {told}.", status=error.status)
        changed = replace(site.settings, frequency=given)
        await change_site(connection, site, changed, by=user.email, now=services.clock())
    return RedirectResponse(f"/admin/{site.key}/settings/frequency?saved", 303)


def _number(text: str) -> int:
    """None is no days; what is no number is none that `Frequency` takes."""
    return int(text or 0) if text.isascii() and (text.isdigit() or not text) and len(text) < 6 else -1


routes = [
    Route("/admin/{site}/settings/frequency", frequency),
    Route("/admin/{site}/settings/frequency", save, methods=["POST"]),
]
