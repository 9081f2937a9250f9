"""The settings of a site."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access.accounts import User
from collector.access.roles import site_for
from collector.access.sites import MOST_PARAMETERS, Site, SiteSettings, change_site
from collector.errors import Invalid
from collector.web.http.auth import by_field, read_form, require_user
from collector.web.http.rendering import page
from collector.web.http.services import services_of


async def settings(request: Request) -> Response:
    user = await require_user(request)
    async with services_of(request).database.read() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "owner")
    shown = {"consent_required": site.settings.consent_required, "kept_parameters": _lines(site.settings)}
    return _settings(user, site, shown, is_saved="saved" in request.query_params)


def _lines(found: SiteSettings) -> str:
    return "\n".join(sorted(found.kept_parameters))


def _settings(
    user: User,
    site: Site,
    shown: Mapping[str, object],
    faults: Mapping[str, str] | None = None,
    *,
    is_saved: bool = False,
    status: int = 200,
) -> Response:
    return page(
        "site.html",
        status=status,
        user=user,
        site=site,
        shown=shown,
        faults=faults or {},
        is_saved=is_saved,
        most=MOST_PARAMETERS,
    )


async def save(request: Request) -> Response:
    form = await read_form(request)
    user = await require_user(request)
    services = services_of(request)
    shown = {"consent_required": "consent_required" in form, "kept_parameters": form.get("kept_parameters", "")}
    async with services.database.write() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "owner")
        try:
            given = SiteSettings.read(bool(shown["consent_required"]), form.get("kept_parameters", "").split())
        except Invalid as error:
            return _settings(user, site, shown, by_field(error), status=error.status)
        await change_site(connection, site, given, by=user.email, now=services.clock())
    return RedirectResponse(f"/admin/{site.key}/settings?saved", 303)


routes = [
    Route("/admin/{site}/settings", settings),
    Route("/admin/{site}/settings", save, methods=["POST"]),
]
