"""Pages for visitors: a survey's own page, and in the demo the examples."""

from __future__ import annotations

import hashlib
import re
from mimetypes import guess_type
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from collector.access.sites import list_sites, site_by_key
from collector.errors import NotFound
from collector.surveys.images import MEDIA_TYPES, image_data
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import DELETED, get_revision
from collector.surveys.personal import fill
from collector.surveys.published import color_of
from collector.web.http.packed import Packed
from collector.web.http.rendering import PICTURED, page
from collector.web.visitors.addresses import tag
from collector.web.visitors.services import visitor_services_of

_FOLDER = Path(__file__).parent.parent / "static"
STATIC = {
    file.name: Packed(
        file.read_text("utf-8"),
        guess_type(file.name)[0] or "text/plain",
        hashlib.sha256(file.read_bytes()).hexdigest()[:16],
        {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"},
    )
    for file in (*sorted(_FOLDER.glob("*.*")), _FOLDER / "widget" / "preview.js", _FOLDER / "widget" / "editor.js")
}
SAMPLE_TAG = tag("http://127.0.0.1:8000", "SITE_KEY")
"""The tag as it stands in the example pages, where the demo writes its own."""


IMAGE_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
EXAMPLES = {"demo": "shop", "plain": "plain"}
"""Where each example's pages are served, and the folder they come from."""


async def survey_page(request: Request) -> Response:
    """A survey's own page, for a link or a QR code."""
    async with visitor_services_of(request).database.read() as connection:
        site = await site_by_key(connection, request.path_params["site"])
        revision = await get_revision(connection, site.id, request.path_params["survey"], None)
    if revision.status == DELETED:
        raise NotFound("Survey not found.")
    texts = LANGUAGES[revision.document.language]
    return page(
        "survey.html",
        status=200 if revision.status == "published" else 410,
        headers=PICTURED,
        texts=texts,
        revision=revision,
        site=site,
        color=color_of(revision.document, site.settings.brand),
        title=fill(revision.document.question) if revision.status == "published" else texts.closed,
        key=f"{site.key}-{revision.survey_key}",
        is_open=revision.status == "published",
    )


async def image(request: Request) -> Response:
    """An image that a site uploaded; under its name it never changes."""
    name = request.path_params["name"]
    mark = {"ETag": f'"{name.partition(".")[0]}"'} if name.isascii() and name.isprintable() else {}
    async with visitor_services_of(request).database.read() as connection:
        site = await site_by_key(connection, request.path_params["site"])
        data = await image_data(connection, site, name)
    if mark and request.headers.get("if-none-match") == mark["ETag"]:
        return Response(status_code=304, headers={**IMAGE_HEADERS, **mark})
    media_type = MEDIA_TYPES[name.rpartition(".")[2]]
    return Response(data, media_type=media_type, headers={**IMAGE_HEADERS, **mark})


async def static(request: Request) -> Response:
    packed = STATIC.get(request.path_params.get("name", "icon.svg"))
    if packed is None:
        raise NotFound("File not found.")
    return await packed.response(request)


async def example_page(request: Request) -> Response:
    """A page or file of the examples, with the demo's own tag in place of the sample one."""
    services = visitor_services_of(request)
    assert services.examples
    folder = services.examples / EXAMPLES[request.url.path.split("/")[1]]
    name = request.path_params.get("path") or "index.html"
    if not re.fullmatch(r"[a-z][a-z-]{0,63}(\.[a-z]{1,8})?", name):
        raise NotFound("Page not found.")
    file = folder / (name if "." in name else name + ".html")
    if not file.is_file():
        raise NotFound("Page not found.")
    media_type = guess_type(file.name)[0] or "application/octet-stream"
    headers = {"Cache-Control": "no-cache"}
    if media_type != "text/html":
        return Response(file.read_bytes(), media_type=media_type, headers=headers)
    async with services.database.read() as connection:
        site = (await list_sites(connection))[0]
    own = tag(str(request.base_url).rstrip("/"), site.key)
    return Response(file.read_text("utf-8").replace(SAMPLE_TAG, own), media_type=media_type, headers=headers)


async def to_admin(request: Request) -> Response:  # noqa: ARG001
    return RedirectResponse("/admin")


routes: list[BaseRoute] = [
    Route("/s/{site}-{survey}", survey_page),
    Route("/i/{site}-{name}", image),
    Route("/static/{name}", static),
    Route("/favicon.ico", static),
    Route("/", to_admin),
    Route("/admin/", to_admin),
]

example_routes: list[BaseRoute] = [
    Route(f"/{name}/{rest}", example_page) for name in EXAMPLES for rest in ("", "{path:path}")
]
