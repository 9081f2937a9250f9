"""The responses: over all surveys of a site or of one, newest first, and each by itself beside its list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access.accounts import User
from collector.access.roles import allows, site_for
from collector.access.sites import Site
from collector.db.moments import moment
from collector.errors import NotFound, SignInNeeded
from collector.responses.reading import get_response, history_of, is_sample, list_responses, moment_of
from collector.responses.removal import delete_response
from collector.responses.rollups import DIMENSIONS
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import Survey, get_revision, get_survey, has_changes
from collector.surveys.listing import Listed, surveys_by_site
from collector.surveys.metrics import scores
from collector.surveys.versions import version_of
from collector.web.admin.figures import GROUP_NAMES
from collector.web.admin.live_list import marks_of, name_of, news_in
from collector.web.admin.results import STOP_POLLING, said_of
from collector.web.admin.shell import admin_page
from collector.web.admin.view import PERIODS, View, view_of
from collector.web.http.auth import read_form, require_user
from collector.web.http.rendering import page
from collector.web.http.services import services_of

LATEST = 50
"""Responses on a page."""
LOOKED_THROUGH = 20_000
"""Responses that one search goes through; the next goes on from there."""
DEVICES = {"desktop": "Desktop", "phone": "Phone", "tablet": "Tablet"}
ANY_GROUP = {"negative": "Negative", "neutral": "Neutral", "positive": "Positive"}
"""Over surveys of several metrics."""


@dataclass(frozen=True)
class Listing:
    """A list of responses that someone looks at; ``survey`` None is every survey of the site."""

    site: Site
    survey: Survey | None
    surveys: Mapping[UUID, Listed]
    view: View
    rows: Sequence[Row[Any]]
    following: str | None
    may_edit: bool
    changed: bool

    @property
    def address(self) -> str:
        within = f"/{self.survey.id}" if self.survey else ""
        return f"/admin/{self.site.key}{within}/responses"

    def most_of(self, row: Row[Any]) -> int:
        """The highest score of the scale that a response was given on."""
        survey = self.surveys[row.survey_id]
        return scores(survey.metric, survey.points)[-1]

    def group_name(self, row: Row[Any]) -> str:
        return GROUP_NAMES[self.surveys[row.survey_id].metric][row.group]

    @property
    def choices(self) -> list[tuple[UUID, str]]:
        """The surveys to filter by."""
        return [(one.id, one.name) for one in self.surveys.values()]

    @property
    def groups(self) -> Mapping[Any, str]:
        return dict(GROUP_NAMES[self.survey.document.metric]) if self.survey else ANY_GROUP


async def _listing(request: Request, connection: AsyncConnection, user: User, *, from_the_top: bool = False) -> Listing:
    site, role = await site_for(connection, user, request.path_params["site"], "viewer")
    survey = await get_survey(connection, site.id, request.path_params["id"]) if "id" in request.path_params else None
    surveys = {one.id: one for one in (await surveys_by_site(connection, [site.id]))[site.id]}
    view = view_of(request, site)
    if view.survey is not None and (survey or view.survey not in surveys):
        view = replace(view, survey=None)
    if from_the_top:
        view = replace(view, cursor=None)
    rows, following = await list_responses(
        connection,
        site.id,
        view.wanted(survey.id if survey else view.survey),
        limit=LATEST,
        cursor=view.cursor,
        look_through=LOOKED_THROUGH,
    )
    changed = await has_changes(connection, survey) if survey else False
    return Listing(site, survey, surveys, view, rows, following, allows(role, "editor"), changed)


async def responses(request: Request) -> Response:
    """The list."""
    user = await require_user(request)
    async with services_of(request).database.read() as connection:
        listing = await _listing(request, connection, user)
    return await _page(request, user, listing)


async def response(request: Request) -> Response:
    """The list, with one of them beside it."""
    user = await require_user(request)
    async with services_of(request).database.read() as connection:
        listing = await _listing(request, connection, user)
        found = await get_response(connection, listing.site.id, request.path_params["response"])
        if listing.survey and found.survey_id != listing.survey.id:
            raise NotFound("This survey has no such response.")
        history = await history_of(connection, found)
        asked = (await get_revision(connection, listing.site.id, found.survey_key, found.revision)).document
    return await _page(request, user, listing, found, history=history, asked=asked, **_beside(listing, found))


def _beside(listing: Listing, found: Row[Any]) -> dict[str, Any]:
    """The ones before and after it in the list, if it is there."""
    ids = [row.id for row in listing.rows]
    place = ids.index(found.id) if found.id in ids else None
    newer = ids[place - 1] if place else None
    older = ids[place + 1] if place is not None and place + 1 < len(ids) else None
    return {"newer": newer, "older": older}


async def _page(
    request: Request, user: User, listing: Listing, opened: Row[Any] | None = None, **values: Any
) -> Response:
    survey = listing.survey
    return await admin_page(
        request,
        "responses.html",
        user=user,
        site=listing.site,
        here="surveys" if survey else "responses",
        survey=survey,
        version=version_of(survey) if survey else "",
        opened=opened,
        periods=PERIODS,
        devices=DEVICES,
        languages=sorted(((key, texts.name) for key, texts in LANGUAGES.items()), key=lambda one: one[1].casefold()),
        filters=_filters(listing),
        **_shown(listing),
        **values,
    )


def _shown(listing: Listing) -> dict[str, Any]:
    """What the list needs, on the page and in what comes to it later."""
    ended_early = listing.following and len(listing.rows) < LATEST
    return {
        "listing": listing,
        "view": listing.view,
        "looked_back_to": moment_of(listing.following) if listing.following and ended_early else None,
        "known": marks_of(listing.rows, None),
        "row_name": name_of,
        "moment": moment,
        "is_sample": is_sample,
        "time_zone": listing.site.settings.time_zone,
        "zone": listing.site.settings.zone,
    }


def _filters(listing: Listing) -> list[tuple[str, str, str]]:
    """What is left out: its name in the address, its value, and in words."""
    view = listing.view
    found = []
    if view.survey:
        found.append(("survey", str(view.survey), listing.surveys[view.survey].name))
    if view.group:
        found.append(("group", view.group, listing.groups[view.group]))
    if view.score is not None:
        found.append(("score", str(view.score), f"Score {view.score}"))
    values = view.values or {}
    found += [(name, values[name], said_of(name, values[name])) for name in DIMENSIONS if name in values]
    if view.commented:
        found.append(("commented", "yes", "With a comment"))
    if view.emailed:
        found.append(("emailed", "yes", "With an e-mail address"))
    if view.words:
        found.append(("words", view.words, f"“{view.words}”"))
    return found


async def news(request: Request) -> Response:
    """What has changed in the list that an open page shows."""
    try:
        user = await require_user(request)
    except SignInNeeded:
        return Response(status_code=STOP_POLLING)
    async with services_of(request).database.read() as connection:
        listing = await _listing(request, connection, user, from_the_top=True)
    changes = news_in(listing.rows, None, request.query_params.get("known", ""))
    if changes is None:
        return Response(status_code=204)
    return page("responses_news.html", changes=changes, **_shown(listing))


async def delete(request: Request) -> Response:
    """Remove one for good, with what was counted for it."""
    await read_form(request)
    user = await require_user(request)
    services = services_of(request)
    async with services.database.write() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "editor")
        response_id = request.path_params["response"]
        await delete_response(connection, site.id, response_id, by=user.email, now=services.clock())
    return RedirectResponse(f"/admin/{site.key}/responses?deleted=yes", 303)


routes = [
    route
    for within in ("", "/{id:uuid}")
    for route in (
        Route(f"/admin/{{site}}{within}/responses", responses),
        Route(f"/admin/{{site}}{within}/responses/news", news),
        Route(f"/admin/{{site}}{within}/responses/{{response:uuid}}", response),
    )
]
routes.append(Route("/admin/{site}/responses/{response:uuid}/delete", delete, methods=["POST"]))
