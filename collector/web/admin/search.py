"""Looking for something by a word: sites, surveys, settings, a response by its id, and where to search comments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.access.accounts import Role, User
from collector.access.roles import allows, sites_for
from collector.access.sites import Site
from collector.db.text import folded, is_blank, is_text
from collector.responses.reading import site_of_response
from collector.surveys.listing import surveys_by_site
from collector.web.admin.shell import admin_page, shell_of
from collector.web.admin.view import LONGEST_SEARCH
from collector.web.http.auth import require_user
from collector.web.http.bodies import uuid_of
from collector.web.http.services import services_of

MOST = 20
"""Of each kind."""
PAGES: tuple[tuple[str, Role, str], ...] = (
    ("settings", "owner", "Site and privacy: tag, logo, time zone, brand colour, consent, parameters"),
    ("images", "editor", "Images: logo, pictures"),
    ("settings/frequency", "owner", "Frequency: quiet period, surveys per session"),
    ("settings/webhooks", "owner", "Webhooks: deliveries, signing secret"),
    ("settings/identify", "owner", "Identify secret"),
)
"""Of a site's settings, beneath its address, with the role that they take and the words that they are found by."""
INSTALLATION = (
    ("/admin/users", "owner", "Users: roles, invitation links, password reset"),
    ("/admin/teams", "owner", "Teams"),
    ("/admin/tokens", "owner", "API tokens"),
    ("/admin/log", "everywhere", "Audit log"),
    ("/admin/account", "anybody", "Account: password, two-factor authentication, sessions"),
)


@dataclass(frozen=True)
class Hit:
    symbol: str
    name: str
    address: str
    detail: str = ""


async def search(request: Request) -> Response:
    user = await require_user(request)
    words = request.query_params.get("q", "").strip()[:LONGEST_SEARCH]
    words = "" if is_blank(words) or not is_text(words) else words
    here = (await shell_of(request, user)).site
    async with services_of(request).database.read() as connection:
        hits = await _hits(connection, user, words, here) if words else []
    return await admin_page(request, "search.html", user=user, here="search", words=words, hits=hits, most=MOST)


async def _hits(connection: AsyncConnection, user: User, words: str, here: Site | None) -> list[Hit]:
    found = await sites_for(connection, user)
    sites, wanted = [site for site, _ in found], folded(words)
    hits = await _response(connection, sites, words)
    hits += _first(
        Hit("web", one.name, f"/admin/{one.key}", one.key)
        for one in sites
        if wanted in folded(one.name) or wanted == one.key
    )
    surveys = await surveys_by_site(connection, [site.id for site in sites])
    ordered = sorted(sites, key=lambda site: site != here)  # those at hand come first
    hits += _first(
        Hit("surveys", one.name, f"/admin/{site.key}/{one.id}", f"{one.status.capitalize()} · {site.name}")
        for site in ordered
        for one in surveys[site.id]
        if wanted in folded(one.name)
    )
    role = next((role for site, role in found if site == here), None)
    hits += [
        Hit("settings", text.partition(":")[0], f"/admin/{here.key}/{path}", f"Settings of {here.name}")
        for path, needed, text in PAGES
        if here and allows(role, needed) and wanted in folded(text)
    ]
    may = {"anybody": True, "owner": user.owns, "everywhere": user.role == "owner"}
    hits += [
        Hit("settings", text.partition(":")[0], address)
        for address, needs, text in INSTALLATION
        if may[needs] and wanted in folded(text)
    ]
    if here:
        comments = f"/admin/{here.key}/responses?{urlencode({'period': 'all', 'words': words})}"
        hits.append(Hit("search", f"Search comments for “{words}”", comments, here.name))
    return hits


def _first(hits: Iterable[Hit]) -> list[Hit]:
    return list(islice(hits, MOST))


async def _response(connection: AsyncConnection, sites: Sequence[Site], words: str) -> list[Hit]:
    """The response of this id, on any site that one may see."""
    response_id = uuid_of(words)
    site_id = await site_of_response(connection, [site.id for site in sites], response_id) if response_id else None
    return [
        Hit("responses", "Response", f"/admin/{site.key}/responses/{response_id}", site.name)
        for site in sites
        if site.id == site_id
    ]


routes = [Route("/admin/search", search)]
