"""Sites by REST."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from collector.access.sites import (
    Site,
    change_site,
    create_site,
    list_sites,
    renew_identify_secret,
    site_by_key,
)
from collector.access.tokens import Token, check_token_again, token_role
from collector.errors import Forbidden, NotFound
from collector.responses.recounting import recount_progress
from collector.web.api.openapi import Endpoint
from collector.web.api.resources import ChangedSite, NewSite, SiteList, SiteResource, read_changed_site, read_new_site
from collector.web.api.rest import answer, signing_on
from collector.web.http.auth import require_token
from collector.web.http.bodies import read_json
from collector.web.http.services import services_of


async def sites_list(request: Request) -> Response:
    token = await require_token(request)
    services = services_of(request)
    async with services.database.read() as connection:
        found = [site for site in await list_sites(connection) if await token_role(connection, token, site.id)]
        items = [await _site_resource(request, connection, site) for site in found]
    return answer(SiteList(items=items, next=None))


async def sites_create(request: Request) -> Response:
    token = await require_token(request)
    services = services_of(request)
    name = read_new_site(await read_json(request))
    async with services.database.write() as connection:
        if not (await check_token_again(connection, token)).is_everywhere("owner"):
            raise Forbidden("Owner role on every site required, and a token for every site.")
        site = await create_site(connection, name, by=token.who, now=services.clock())
        made = await _site_resource(request, connection, site)
    return answer(made, 201)


async def sites_get(request: Request) -> Response:
    token = await require_token(request)
    async with services_of(request).database.read() as connection:
        site = await site_by_key(connection, request.path_params["key"])
        if await token_role(connection, token, site.id) is None:
            raise NotFound("Unknown site key.")
        found = await _site_resource(request, connection, site)
    return answer(found)


async def sites_change(request: Request) -> Response:
    token = await require_token(request)
    services = services_of(request)
    value = await read_json(request)
    async with services.database.write() as connection:
        site = await _owned(connection, token, request.path_params["key"])
        site = await change_site(
            connection, site, read_changed_site(value, site.settings), by=token.who, now=services.clock()
        )
        changed = await _site_resource(request, connection, site)
    return answer(changed)


async def sites_renew(request: Request) -> Response:
    token = await require_token(request)
    services = services_of(request)
    async with services.database.write() as connection:
        site = await _owned(connection, token, request.path_params["key"])
        site = await renew_identify_secret(connection, site, by=token.who, now=services.clock())
        renewed = await _site_resource(request, connection, site)
    return answer(renewed)


async def _owned(connection: AsyncConnection, token: Token, key: str) -> Site:
    """Raises `NotFound` for who may not know of it, and `Forbidden` for who does not own it."""
    checked = await check_token_again(connection, token)
    site = await site_by_key(connection, key)
    role = await token_role(connection, checked, site.id)
    if role is None:
        raise NotFound("Unknown site key.")
    if role != "owner":
        raise Forbidden("Owner role required.")
    return site


async def _site_resource(request: Request, connection: AsyncConnection, site: Site) -> SiteResource:
    signing = await signing_on(request, connection, site)
    progress = await recount_progress(connection, site.id)
    return SiteResource.of(site, signing, services_of(request).settings.public_url, progress)


ENDPOINTS = (
    Endpoint("GET", "/sites", sites_list, "List the sites", SiteList),
    Endpoint("POST", "/sites", sites_create, "Add a site", SiteResource, NewSite, 201, problems=(409,)),
    Endpoint(
        "PATCH",
        "/sites/{key}",
        sites_change,
        "Change the settings of a site",
        SiteResource,
        ChangedSite,
        problems=(404,),
    ),
    Endpoint(
        "POST",
        "/sites/{key}/identify-secret",
        sites_renew,
        "Renew the secret for identify(); the previous one works for seven more days",
        SiteResource,
        problems=(404, 409),
    ),
    Endpoint("GET", "/sites/{key}", sites_get, "Read a site", SiteResource, problems=(404,)),
)
