"""What describes the interface: the OpenAPI document, the survey document's schema, and the page that shows them.

The page is Swagger UI, vendored beside its licence in ``web/static/reference``. It works under the policy of every
other page; without JavaScript the page is a plain list of the calls.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from collector.errors import NotFound
from collector.surveys.document import json_schema
from collector.web.api.openapi import Endpoint, openapi
from collector.web.api.rest import PREFIX
from collector.web.http.packed import Packed
from collector.web.http.rendering import PAGE_HEADERS, page

FOLDER = Path(__file__).parent.parent / "static" / "reference"
_TO_BE_ASKED = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


def descriptions(endpoints: Sequence[Endpoint], public_url: str) -> dict[str, Packed]:
    """What describes the interface at this address, by its own address."""
    document = openapi(endpoints, PREFIX, public_url)
    reference = page("reference.html", described=document, endpoints=endpoints, prefix=PREFIX)
    return {
        "/api": _packed(bytes(reference.body), "text/html", {**PAGE_HEADERS, "Cache-Control": "no-cache"}),
        "/api/openapi.json": _packed(json.dumps(document).encode(), "application/json"),
        "/api/survey.schema.json": _packed(json.dumps(json_schema()).encode(), "application/schema+json"),
    }


@cache
def viewer(name: str) -> Packed:
    """One file of the viewer: two megabytes in all, read when the page is first opened. Raises `KeyError`."""
    file = {file.name: file for file in FOLDER.iterdir()}[name]
    return _packed(file.read_bytes(), guess_type(name)[0] or "text/plain")


def _packed(body: bytes, media_type: str, headers: dict[str, str] = _TO_BE_ASKED) -> Packed:
    packed = Packed(body.decode(), media_type, sha256(body).hexdigest()[:16], headers)
    packed.pack()
    return packed


async def viewer_file(request: Request) -> Response:
    try:
        found = await asyncio.to_thread(viewer, request.path_params["name"])
    except KeyError:
        raise NotFound("File not found.") from None
    return await found.response(request)
