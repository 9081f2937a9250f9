"""The sites: all of them, a new one, and the settings of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access.accounts import User
from collector.access.roles import hold_for, site_for, sites_for
from collector.access.sites import (
    MOST_PARAMETERS,
    Brand,
    Site,
    SiteSettings,
    change_site,
    create_site,
    rename_site,
    zone_names,
)
from collector.db.moments import moment
from collector.errors import Conflict, Invalid
from collector.responses.recounting import recount_progress
from collector.responses.rollups import for_figures, overall_by_survey
from collector.surveys.listing import surveys_by_site
from collector.surveys.metrics import scores
from collector.web.admin.figures import SPARK_DAYS, spark
from collector.web.admin.images import FIELD, choose_logo, uploaded
from collector.web.admin.shell import admin_page
from collector.web.http.auth import by_field, press, read_form, require_same_origin, require_user, sentence_of
from collector.web.http.services import services_of
from collector.web.visitors.addresses import frozen_tag, tag

MOST_SPARKS = 5_000


@dataclass(frozen=True)
class Line:
    """One site in the list; ``spark`` draws the responses of the last days, ``lately`` is how many."""

    site: Site
    surveys: int
    published: int
    lately: int
    spark: str


async def all_sites(request: Request) -> Response:
    """Every site that one has a role on."""
    user = await require_user(request)
    return await _all_sites(request, user)


async def _all_sites(request: Request, user: User, name: str = "", wrong: str = "", status: int = 200) -> Response:
    services = services_of(request)
    async with services.database.read() as connection:
        lines = await _lines(connection, user, services.clock())
    return await admin_page(
        request,
        "site_list.html",
        status=status,
        user=user,
        here="sites",
        lines=lines,
        spark_days=SPARK_DAYS,
        name=name,
        wrong=wrong,
    )


async def _lines(connection: AsyncConnection, user: User, now: datetime) -> list[Line]:
    """In as many statements for a thousand sites as for one."""
    sites = [site for site, _ in await sites_for(connection, user)]
    ids, today = [site.id for site in sites], now.date()
    surveys = await surveys_by_site(connection, ids)
    wanted = for_figures(score for some in surveys.values() for one in some for score in scores(one.metric, one.points))
    sums = await overall_by_survey(connection, ids, wanted, today - timedelta(days=SPARK_DAYS - 1))
    days: dict[int, dict[date, int]] = {one: {} for one in ids}
    for (site_id, _), one in sums.items():
        for day, people in one.by_day:
            days[site_id][day] = days[site_id].get(day, 0) + people
    return [
        Line(
            site,
            sum(one.status != "archived" for one in surveys[site.id]),
            sum(one.status == "published" for one in surveys[site.id]),
            sum(days[site.id].values()),
            _spark(tuple(sorted(days[site.id].items())), today),
        )
        for site in sites
    ]


@lru_cache(maxsize=MOST_SPARKS)
def _spark(days: Sequence[tuple[date, int]], today: date) -> str:
    return spark(dict(days), today)


async def add_site(request: Request) -> Response:
    form = await read_form(request)
    user = await require_user(request)
    services, name = services_of(request), form.get("name", "")
    try:
        async with services.database.write() as connection:
            await hold_for(connection, user, None)
            site = await create_site(connection, name, by=user.email, now=services.clock())
    except (Invalid, Conflict) as error:
        return await _all_sites(request, user, name, by_field(error)["name"], error.status)
    return RedirectResponse(f"/admin/{site.key}", 303)


# ---- the settings of one


async def settings(request: Request) -> Response:
    """How the site is installed, and what it keeps of its visitors."""
    return await _as_it_is(request, await require_user(request))


async def _as_it_is(
    request: Request, user: User, faults: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    async with services_of(request).database.read() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "owner")
        progress = await recount_progress(connection, site.id)
    own = site.settings
    shown = {
        "name": site.name,
        "consent_required": own.consent_required,
        "kept_parameters": _written(own),
        "time_zone": own.time_zone,
        "color": own.brand.color or "",
    }
    is_saved = "saved" in request.query_params
    return await _settings(request, user, site, shown, faults, is_saved=is_saved, progress=progress, status=status)


def _written(found: SiteSettings) -> str:
    return "\n".join(sorted(found.kept_parameters))


async def _settings(
    request: Request,
    user: User,
    site: Site,
    shown: Mapping[str, object],
    faults: Mapping[str, str] | None = None,
    *,
    is_saved: bool = False,
    progress: float | None = None,
    status: int = 200,
) -> Response:
    url = services_of(request).settings.public_url
    return await admin_page(
        request,
        "site.html",
        status=status,
        user=user,
        site=site,
        here="settings",
        shown=shown,
        faults=faults or {},
        is_saved=is_saved,
        progress=progress,
        zones=[(name, name.replace("_", " ")) for name in sorted(zone_names())],
        most=MOST_PARAMETERS,
        tag=tag(url, site.key),
        frozen_tag=frozen_tag(url, site.key),
        origin=url,
        moment=moment,
    )


async def save(request: Request) -> Response:
    form = await read_form(request)
    user = await require_user(request)
    services = services_of(request)
    shown: dict[str, Any] = {
        name: form.get(name, "").strip() for name in ("name", "kept_parameters", "time_zone", "color")
    }
    shown["consent_required"] = "consent_required" in form
    async with services.database.write() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "owner")
        try:
            brand = Brand.read(site.settings.brand.logo, shown["color"])
            zone = shown["time_zone"] or site.settings.time_zone
            kept = shown["kept_parameters"].split()
            given = SiteSettings.read(shown["consent_required"], kept, brand, zone, site.settings.frequency)
            site = await rename_site(connection, site, shown["name"] or site.name, by=user.email, now=services.clock())
        except (Invalid, Conflict) as error:
            return await _settings(request, user, site, shown, by_field(error), status=error.status)
        await change_site(connection, site, given, by=user.email, now=services.clock())
    return RedirectResponse(f"/admin/{site.key}/settings?saved", 303)


async def upload_logo(request: Request) -> Response:
    require_same_origin(request)
    user = await require_user(request)
    try:
        await uploaded(request, user, as_logo=True)
    except (Invalid, Conflict) as error:
        return await _as_it_is(request, user, {FIELD: sentence_of(error, FIELD)}, error.status)
    return RedirectResponse(f"/admin/{request.path_params['site']}/settings?saved", 303)


async def remove_logo(request: Request) -> Response:
    async def act(connection: AsyncConnection, user: User, now: datetime) -> None:
        site, _ = await site_for(connection, user, request.path_params["site"], "owner")
        await choose_logo(connection, site, None, user, now)

    return await press(request, act, f"/admin/{request.path_params['site']}/settings?saved")


routes = [
    Route("/admin/{site}/settings/logo", upload_logo, methods=["POST"]),
    Route("/admin/{site}/settings/logo/remove", remove_logo, methods=["POST"]),
    Route("/admin/sites", all_sites),
    Route("/admin/sites/add", add_site, methods=["POST"]),
    Route("/admin/{site}/settings", settings),
    Route("/admin/{site}/settings", save, methods=["POST"]),
]
