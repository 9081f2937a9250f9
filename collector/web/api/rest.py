"""What every REST endpoint shares: the site it is about, limits of lists, answers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from collector.access.accounts import Role
from collector.access.roles import allows
from collector.access.signing import Signing
from collector.access.sites import Site, only_site, site_by_id, site_by_key
from collector.access.tokens import check_token_again, token_role
from collector.errors import BadRequest, Fault, Forbidden, Invalid, NotFound
from collector.responses.reading import MOST
from collector.web.api.openapi import Query
from collector.web.http.auth import token_of
from collector.web.http.services import services_of

PREFIX = "/api/v1"

SITE = Query("site", "The site's key; optional if there is only one site.", {"type": "string"})
LIMIT = Query("limit", "Maximum number of items.", {"type": "integer", "minimum": 1, "maximum": MOST, "default": 50})
CURSOR = Query("cursor", "The value of next from the previous page.", {"type": "string"})


IF_MATCH = Query("If-Match", "The ETag you read; 412 if the survey has changed since.", {"type": "string"})


def answer(resource: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    sent = {"Cache-Control": "no-store", **(headers or {})}
    return Response(resource.model_dump_json(), status, headers=sent, media_type="application/json")


async def site_of(request: Request, connection: AsyncConnection, needed: Role | None = None) -> Site:
    """The site that the query names, or the only one that the token is good for.

    What is to be done there takes this role, by itself an editor's where something changes. The token and its maker's
    rights are looked at in this transaction: either may have changed since the request came. Raises `NotFound`,
    `Forbidden`, `Unauthorized` and `Invalid`.
    """
    token, key = await check_token_again(connection, token_of(request)), request.query_params.get("site")
    if key is not None:
        site = await site_by_key(connection, key)
    else:
        site = await (only_site(connection) if token.site_id is None else site_by_id(connection, token.site_id))
    role = await token_role(connection, token, site.id)
    if role is None:
        raise NotFound("Unknown site key.")
    needed = needed or ("viewer" if request.method in ("GET", "HEAD") else "editor")
    if not allows(role, needed):
        raise Forbidden(f"This takes the role of an {needed}; whoever made this token is {role} here now.")
    return site


async def signing_on(request: Request, connection: AsyncConnection, site: Site) -> Signing | None:
    """What makes the secrets that a resource shows; nothing for a token that only reads, or whose maker may not."""
    role = await token_role(connection, token_of(request), site.id)
    return services_of(request).signing if role == "owner" else None


def wanted_versions(request: Request) -> list[str] | None:
    """The versions that ``If-Match`` names (RFC 9110, 13.1.1); None where any will do. Raises `BadRequest`."""
    text = ",".join(request.headers.getlist("if-match")).strip()
    if not text or text == "*":
        return None
    tags = [one.strip() for one in text.split(",") if one.strip()]
    if not all(re.fullmatch(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"', one) for one in tags):
        raise BadRequest("If-Match must be the ETag of a survey, with its quotes.")
    return [one.strip('"') for one in tags if not one.startswith("W/")]


def limit_of(request: Request) -> int:
    """How long a list may be. Raises `Invalid`."""
    value = request.query_params.get("limit")
    if value is None:
        return 50
    if not (value.isascii() and value.isdigit() and len(value) < 6 and 1 <= int(value) <= MOST):
        raise Invalid(faults=[Fault("?limit", f"must be a whole number from 1 to {MOST}")])
    return int(value)
