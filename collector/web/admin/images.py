"""The images of a site: uploading, looking at what there is, deleting."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from collector.access.accounts import Role, User
from collector.access.roles import site_for
from collector.access.sites import Brand, Site, change_site
from collector.errors import Conflict, Invalid, TooLarge
from collector.surveys.images import MOST_BYTES, MOST_IMAGES, add_image, address_of, delete_image, encoded, list_images
from collector.web.admin.shell import admin_page
from collector.web.http.auth import press, read_upload, require_same_origin, require_user, sentence_of
from collector.web.http.services import services_of

FIELD = "image"


async def images(request: Request) -> Response:
    user = await require_user(request)
    return await _images(request, user)


async def _images(request: Request, user: User, wrong: str = "", status: int = 200) -> Response:
    async with services_of(request).database.read() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "editor")
        found = await list_images(connection, site)
    return await admin_page(
        request,
        "images.html",
        status=status,
        user=user,
        site=site,
        here="settings",
        images=[(one, address_of(site, one.name)) for one in found],
        origin=services_of(request).settings.public_url,
        most=MOST_IMAGES,
        wrong_image=wrong,
    )


async def uploaded(request: Request, user: User, *, as_logo: bool = False) -> str:
    """Keep the file of a form; where it is. Raises what reading it raises."""
    services, key = services_of(request), request.path_params["site"]
    role: Role = "owner" if as_logo else "editor"
    async with services.database.read() as connection:
        await site_for(connection, user, key, role)  # before work is done for it
    data = await _file(request)
    made = await encoded(data)
    async with services.database.write() as connection:
        site, _ = await site_for(connection, user, key, role)
        await add_image(connection, site, made, by=user.email, now=services.clock())
        address = address_of(site, made.name)
        if as_logo:
            await choose_logo(connection, site, address, user, services.clock())
    return address


async def _file(request: Request) -> bytes:
    try:
        return await read_upload(request, FIELD, MOST_BYTES)
    except TooLarge:
        return bytes(MOST_BYTES + 1)  # which is told in the same words as a file that is a little too large


async def choose_logo(connection: AsyncConnection, site: Site, address: str | None, user: User, now: datetime) -> None:
    """Show this image as the site's logo, or none."""
    brand = Brand.read(address, site.settings.brand.color)
    await change_site(connection, site, replace(site.settings, brand=brand), by=user.email, now=now)


async def upload(request: Request) -> Response:
    """Back to the page; or, for the editor, the address of the image."""
    require_same_origin(request)
    user = await require_user(request)
    if "application/json" in request.headers.get("accept", ""):
        address = await uploaded(request, user)
        return JSONResponse({"address": f"{services_of(request).settings.public_url}{address}"}, 201)
    try:
        await uploaded(request, user)
    except (Invalid, Conflict) as error:
        return await _images(request, user, sentence_of(error, FIELD), error.status)
    return RedirectResponse(f"/admin/{request.path_params['site']}/images", 303)


async def remove(request: Request) -> Response:
    async def act(connection: AsyncConnection, user: User, now: datetime) -> None:
        site, _ = await site_for(connection, user, request.path_params["site"], "editor")
        await delete_image(connection, site, request.path_params["name"], by=user.email, now=now)

    return await press(request, act, f"/admin/{request.path_params['site']}/images")


routes = [
    Route("/admin/{site}/images", images),
    Route("/admin/{site}/images", upload, methods=["POST"]),
    Route("/admin/{site}/images/{name}/remove", remove, methods=["POST"]),
]
