"""The surveys: the list, a new one, and what can be done to one as a whole."""

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
from collector.access.roles import allows, hold_for, site_for, sites_for
from collector.access.sites import Site, create_site
from collector.errors import BadRequest, Changed, Conflict, Invalid, NotFound
from collector.responses.rollups import Overall, for_figures, overall_by_survey
from collector.surveys.acts import ACTS, act_on
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import Deleted, create_survey, deleted_by_site, free_name
from collector.surveys.listing import Listed, surveys_by_site
from collector.surveys.metrics import Figure, figure, scores
from collector.surveys.templates import TEMPLATES, document_of
from collector.surveys.versions import version_of
from collector.web.admin.figures import SPARK_DAYS, share, show_figure, spark
from collector.web.http.auth import by_field, read_form, require_user
from collector.web.http.rendering import page
from collector.web.http.services import services_of
from collector.web.visitors.addresses import frozen_tag, tag

MOST_LINES = 5_000
NOTHING = Overall()


@dataclass(frozen=True)
class Line:
    """One survey in the list; ``rate`` is scores out of ``shown`` in percent, empty where there are more of them.
    ``spark`` draws the answers of the last days, ``lately`` is how many."""

    survey: Listed
    figure: Figure
    shown: int
    rate: str
    spark: str
    lately: int


@dataclass(frozen=True)
class Shelf:
    """A site with its surveys."""

    site: Site
    may_edit: bool
    is_owned: bool
    lines: Sequence[Line]
    archived: Sequence[Line]
    deleted: Sequence[Deleted]


async def overview(request: Request) -> Response:
    """Every site with its surveys, their status, headline figure and number of answers."""
    user = await require_user(request)
    return await _overview(request, user)


async def _overview(request: Request, user: Any, name: str = "", wrong: str = "", status: int = 200) -> Response:
    services = services_of(request)
    async with services.database.read() as connection:
        shelves = await _shelves(connection, user, services.clock())
    url = services.settings.public_url
    return page(
        "overview.html",
        status=status,
        user=user,
        shelves=shelves,
        gone=request.query_params.get("deleted"),
        tag_of=lambda site: tag(url, site.key),
        frozen_tag_of=lambda site: frozen_tag(url, site.key),
        demo=services.examples is not None,
        show=show_figure,
        version_of=version_of,
        spark_days=SPARK_DAYS,
        name=name,
        wrong=wrong,
    )


async def _shelves(connection: AsyncConnection, user: User, now: datetime) -> list[Shelf]:
    """In as many statements for a thousand sites as for one."""
    roles = await sites_for(connection, user)
    ids = [site.id for site, _ in roles]
    surveys, today = await surveys_by_site(connection, ids), now.date()
    every = [survey for some in surveys.values() for survey in some]
    wanted = for_figures(score for one in every for score in scores(one.metric, one.points))
    sums = await overall_by_survey(connection, ids, wanted, today - timedelta(days=SPARK_DAYS - 1))
    may_edit = {site.id for site, role in roles if allows(role, "editor")}
    deleted = await deleted_by_site(connection, may_edit, now=now)
    found = []
    for site, role in roles:
        lines = [_line(one, sums.get((site.id, one.number), NOTHING), today) for one in surveys[site.id]]
        kept = [line for line in lines if line.survey.status != "archived"]
        archived = lines[len(kept) :]
        found.append(Shelf(site, site.id in may_edit, allows(role, "owner"), kept, archived, deleted.get(site.id, [])))
    return found


@lru_cache(maxsize=MOST_LINES)
def _line(survey: Listed, sums: Overall, today: date) -> Line:
    """Kept at hand: most surveys have the same sums when their list is looked at again."""
    answers = sum(people for _, people in sums.scores)
    found = figure(survey.metric, survey.points, dict(sums.scores))
    bars = spark(dict(sums.by_day), today)
    lately = sum(people for _, people in sums.by_day)
    return Line(survey, found, sums.impressions, share(answers, sums.impressions), bars, lately)


async def add_site(request: Request) -> Response:
    form = await read_form(request)
    user = await require_user(request)
    services, name = services_of(request), form.get("name", "")
    try:
        async with services.database.write() as connection:
            await hold_for(connection, user, None)
            await create_site(connection, name, by=user.email, now=services.clock())
    except (Invalid, Conflict) as error:
        return await _overview(request, user, name, by_field(error)["name"], error.status)
    return RedirectResponse("/admin", 303)


# ---- a new one


async def new_form(request: Request) -> Response:
    user = await require_user(request)
    async with services_of(request).database.read() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "editor")
    return _new(user, site, {"language": "en"})


def _new(user: Any, site: Site, form: Mapping[str, str], wrong: Mapping[str, str] | None = None) -> Response:
    language = form.get("language", "en")
    return page(
        "new.html",
        status=422 if wrong else 200,
        user=user,
        site=site,
        language=language,
        languages=sorted(((key, texts.name) for key, texts in LANGUAGES.items()), key=lambda one: one[1].casefold()),
        templates=[
            (key, one, LANGUAGES[language if language in LANGUAGES else "en"].templates[key])
            for key, one in TEMPLATES.items()
        ],
        wrong=wrong or {},
    )


async def create(request: Request) -> Response:
    """Save a new draft from a template, and open the editor."""
    form = await read_form(request)
    user = await require_user(request)
    services, key, language = services_of(request), form.get("template", ""), form.get("language", "")
    async with services.database.read() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "editor")
    wrong = {}
    if key not in TEMPLATES:
        wrong["template"] = "Choose what to begin with."
    if language not in LANGUAGES:
        wrong["language"] = "Choose one of these languages."
    if wrong:
        return _new(user, site, form, wrong)
    async with services.database.write() as connection:
        site, _ = await site_for(connection, user, site.key, "editor")
        name = await free_name(connection, site.id, TEMPLATES[key].name)
        document, now = document_of(key, language, name), services.clock()
        survey = await create_survey(connection, site.id, document, by=user.email, now=now)
    return RedirectResponse(f"/admin/{site.key}/{survey.id}/edit/survey", 303)


# ---- what can be done to one


async def act(request: Request) -> Response:
    """Publish, pause, archive, bring back, copy or delete a survey, as the page that was pressed on showed it; then
    show it, its copy, or the list."""
    form = await read_form(request)
    name = request.path_params["act"]
    if name not in ACTS:
        raise NotFound("Nothing of this name can be done to a survey.")
    user = await require_user(request)
    if not form.get("version"):
        raise BadRequest("The form came without what it was made for. Load the page again.")
    services, wanted = services_of(request), [form["version"]]
    key, survey_id = request.path_params["site"], request.path_params["id"]
    try:
        async with services.database.write() as connection:
            site, _ = await site_for(connection, user, key, "editor")
            survey = await act_on(
                connection, site.id, survey_id, name, version=wanted, by=user.email, now=services.clock()
            )
    except Changed as changed:
        home = f"/admin/{key}/{survey_id}{'/review' if name == 'publish' else ''}"
        return page("problem.html", status=changed.status, problem=changed, home=home, back="Look at it again")
    if name == "delete":
        return RedirectResponse(f"/admin?deleted={survey.id}", 303)
    return RedirectResponse(f"/admin/{site.key}/{survey.id}{'/edit/survey' if name == 'clone' else ''}", 303)


routes = [
    Route("/admin", overview),
    Route("/admin/sites", add_site, methods=["POST"]),
    Route("/admin/{site}/new", new_form),
    Route("/admin/{site}/new", create, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/{act}", act, methods=["POST"]),
]
