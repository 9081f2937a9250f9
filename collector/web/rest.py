"""What every REST endpoint shares: the site it is about, limits of lists, answers."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from collector.errors import Fault, Invalid, NotFound
from collector.responses.reading import MOST
from collector.signing import Signing
from collector.sites import Site, only_site, site_by_id, site_by_key
from collector.web.auth import token_of
from collector.web.http import house_of
from collector.web.openapi import Query

PREFIX = "/api/v1"

SITE = Query("site", "The site's key; can be left out where there is one site.", {"type": "string"})
LIMIT = Query("limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": MOST, "default": 50})
CURSOR = Query("cursor", "The next of an earlier list.", {"type": "string"})


def answer(resource: BaseModel, status: int = 200) -> Response:
    return Response(
        resource.model_dump_json(), status, headers={"Cache-Control": "no-store"}, media_type="application/json"
    )


async def site_of(request: Request, connection: AsyncConnection) -> Site:
    """The site that the query names, or the only one that the token is good for. Raises `NotFound` and `Invalid`."""
    key, own = request.query_params.get("site"), token_of(request).site_id
    if key is not None:
        return own_site(await site_by_key(connection, key), own)
    return await only_site(connection) if own is None else await site_by_id(connection, own)


def own_site(site: Site, own: UUID | None) -> Site:
    """Raises `NotFound` for a site that a token of another, ``own``, has nothing to do with."""
    if own not in (None, site.id):
        raise NotFound("No site has this key.")
    return site


def signing_for(request: Request) -> Signing | None:
    """What makes the secrets that a resource shows; nothing for a token that only reads."""
    return house_of(request).signing if token_of(request).scope == "write" else None


def limit_of(request: Request) -> int:
    """How long a list may be. Raises `Invalid`."""
    value = request.query_params.get("limit")
    if value is None:
        return 50
    if not (value.isascii() and value.isdigit() and len(value) < 6 and 1 <= int(value) <= MOST):
        raise Invalid(faults=[Fault("?limit", f"must be a whole number from 1 to {MOST}")])
    return int(value)
