"""The surveys: the list, a new one, and what can be done to one as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access.roles import allows, hold_for, site_for, sites_for
from collector.access.sites import Site, create_site
from collector.errors import BadRequest, Changed, Conflict, Invalid, NotFound
from collector.responses.rollups import Span, Total, answers_by_day, for_figures, totals_by_survey
from collector.surveys.acts import ACTS, act_on
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import Deleted, Survey, create_survey, free_name, list_deleted, list_surveys
from collector.surveys.metrics import Figure, figure, scores
from collector.surveys.templates import TEMPLATES, document_of
from collector.surveys.versions import version_of
from collector.web.admin.figures import SPARK_DAYS, share, show_figure, spark
from collector.web.http.auth import by_field, read_form, require_user
from collector.web.http.rendering import page
from collector.web.http.services import services_of
from collector.web.visitors.addresses import frozen_tag, tag


@dataclass(frozen=True)
class Line:
    """One survey in the list; ``rate`` is scores out of ``shown`` in percent, empty where there are more of them.
    ``spark`` draws the answers of the last days, ``lately`` is how many."""

    survey: Survey
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
    found: list[Shelf] = []
    now, today = services.clock(), services.clock().date()
    async with services.database.read() as connection:
        for site, role in await sites_for(connection, user):
            surveys = await list_surveys(connection, site.id)
            wanted = for_figures(score for one in surveys for score in scores(one.document.metric, one.document.points))
            totals = await totals_by_survey(connection, site.id, wanted)
            days = Span(today - timedelta(days=SPARK_DAYS - 1), today)
            lately = await answers_by_day(connection, site.id, [one.number for one in surveys], days)
            lines = [_line(one, totals.get(one.number, Total()), lately.get(one.number, {}), today) for one in surveys]
            kept = [line for line in lines if line.survey.status != "archived"]
            may_edit = allows(role, "editor")
            deleted = await list_deleted(connection, site.id, now=now) if may_edit else []
            found.append(Shelf(site, may_edit, allows(role, "owner"), kept, lines[len(kept) :], deleted))
    url = services.settings.public_url
    return page(
        "overview.html",
        status=status,
        user=user,
        shelves=found,
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


def _line(survey: Survey, total: Total, lately: Mapping[date, int], today: date) -> Line:
    answers = sum(total.scores.values())
    found = figure(survey.document.metric, survey.document.points, total.scores)
    return Line(
        survey, found, total.impressions, share(answers, total.impressions), spark(lately, today), sum(lately.values())
    )


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
