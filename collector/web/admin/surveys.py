"""The surveys of a site: the list, a new one, and what can be done to one as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access.accounts import User
from collector.access.roles import allows, site_for
from collector.access.sites import Site
from collector.db.text import folded, is_text
from collector.errors import BadRequest, Changed, NotFound
from collector.responses.rollups import Overall, for_figures, overall_by_survey
from collector.surveys.acts import ACTS, act_on
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import Survey, create_survey, free_name, list_surveys
from collector.surveys.listing import deleted_by_site
from collector.surveys.metrics import Figure, figure, scores
from collector.surveys.revisions import changed_surveys
from collector.surveys.templates import BLANK, TEMPLATES, document_of, name_of
from collector.surveys.versions import version_of
from collector.web.admin.fields import DELIVERIES
from collector.web.admin.figures import SPARK_DAYS, scale_words, share, show_figure, spark
from collector.web.admin.shell import admin_page, last_site
from collector.web.http.auth import read_form, require_user
from collector.web.http.rendering import page
from collector.web.http.services import services_of

NOTHING = Overall()


@dataclass(frozen=True)
class Line:
    """One survey in the list; ``rate`` is scores out of ``shown`` in percent, empty where there are more of them.
    ``spark`` draws the responses of the last days, ``lately`` is how many."""

    survey: Survey
    has_changes: bool
    figure: Figure
    shown: int
    rate: str
    spark: str
    lately: int


SORTS: Mapping[str, tuple[str, Callable[[Line], Any] | None]] = {
    "": ("Newest first", None),
    "name": ("Name", lambda line: folded(line.survey.name)),
    "responses": ("Most responses", lambda line: -line.figure.total),
}
"""How the list may be sorted, with what by."""


@dataclass(frozen=True)
class Narrowed:
    """Which surveys of the list are looked at; empty is any."""

    words: str
    status: str
    delivery: str
    sort: str

    @classmethod
    def read(cls, query: QueryParams) -> Narrowed:
        """What means nothing is as if it were not there."""
        words = query.get("words", "").strip()[:200]
        status, delivery, sort = (query.get(name, "") for name in ("status", "delivery", "sort"))
        return cls(
            words if is_text(words) else "",
            status if status in ("draft", "published", "paused", "archived") else "",
            delivery if delivery in DELIVERIES else "",
            sort if sort in SORTS else "",
        )

    @property
    def is_narrowed(self) -> bool:
        return bool(self.words or self.status or self.delivery)

    def query(self, status: str) -> str:
        """The same with another status."""
        said = {"words": self.words, "status": status, "delivery": self.delivery, "sort": self.sort}
        text = urlencode({name: value for name, value in said.items() if value})
        return f"?{text}" if text else ""

    def has(self, survey: Survey) -> bool:
        """Whether a survey is in it, whatever its status. Archived ones are looked at by themselves."""
        words = folded(self.words) in folded(survey.name)
        return words and self.delivery in ("", survey.document.delivery)

    def shows(self, survey: Survey) -> bool:
        wanted = survey.status == self.status if self.status else survey.status != "archived"
        return wanted and self.has(survey)


async def entrance(request: Request) -> Response:
    """Where someone goes on who comes to the admin."""
    return await last_site(request, await require_user(request))


async def surveys(request: Request) -> Response:
    """The surveys of a site with their status, headline figure and number of responses."""
    user = await require_user(request)
    services, view = services_of(request), Narrowed.read(request.query_params)
    now = services.clock()
    async with services.database.read() as connection:
        site, role = await site_for(connection, user, request.path_params["site"], "viewer")
        today = now.astimezone(site.settings.zone).date()
        every = await list_surveys(connection, site.id)
        changed = await changed_surveys(connection, site.id)
        lines = await lines_of(connection, site.id, [one for one in every if view.shows(one)], changed, today)
        may_edit = allows(role, "editor")
        deleted = (await deleted_by_site(connection, [site.id], now=now))[site.id] if may_edit else []
    by = SORTS[view.sort][1]
    return await admin_page(
        request,
        "surveys.html",
        user=user,
        site=site,
        here="surveys",
        at=f"/admin/{site.key}",
        view=view,
        counts=_counts([one for one in every if view.has(one)]) | {"any": len(every)},
        lines=sorted(lines, key=by) if by else lines,
        deleted=deleted,
        gone=request.query_params.get("deleted"),
        may_edit=may_edit,
        deliveries=DELIVERIES,
        sorts={key: words for key, (words, _) in SORTS.items()},
        show=show_figure,
        scale_words=scale_words,
        version_of=version_of,
        spark_days=SPARK_DAYS,
    )


def _counts(surveys: Sequence[Survey]) -> dict[str, int]:
    """How many have each status; ``all`` without the archived ones."""
    found = {status: sum(one.status == status for one in surveys) for status in ("published", "draft", "paused")}
    return {"all": sum(found.values()), **found, "archived": sum(one.status == "archived" for one in surveys)}


async def lines_of(
    connection: AsyncConnection, site_id: int, surveys: Sequence[Survey], changed: set[int], today: date
) -> list[Line]:
    """In one statement, however many surveys there are."""
    wanted = for_figures(score for one in surveys for score in scores(one.document.metric, one.document.points))
    sums = await overall_by_survey(connection, [site_id], wanted, today - timedelta(days=SPARK_DAYS - 1))
    return [_line(one, sums.get((site_id, one.number), NOTHING), one.number in changed, today) for one in surveys]


def _line(survey: Survey, sums: Overall, has_changes: bool, today: date) -> Line:
    answers = sum(people for _, people in sums.scores)
    found = figure(survey.document.metric, survey.document.points, dict(sums.scores))
    bars = spark(dict(sums.by_day), today)
    lately = sum(people for _, people in sums.by_day)
    return Line(survey, has_changes, found, sums.impressions, share(answers, sums.impressions), bars, lately)


# ---- a new one


async def new_form(request: Request) -> Response:
    user = await require_user(request)
    async with services_of(request).database.read() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "editor")
    return await _new(request, user, site, {"language": "en"})


async def _new(
    request: Request, user: User, site: Site, form: Mapping[str, str], wrong: Mapping[str, str] | None = None
) -> Response:
    language = form.get("language", "en")
    return await admin_page(
        request,
        "new.html",
        status=422 if wrong else 200,
        user=user,
        site=site,
        here="surveys",
        form=form,
        deliveries=DELIVERIES,
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
    if key not in TEMPLATES and key not in BLANK:
        wrong["template"] = "Choose what to begin with."
    if form.get("delivery", "web") not in DELIVERIES:
        wrong["delivery"] = "Choose one of these deliveries."
    if language not in LANGUAGES:
        wrong["language"] = "Choose one of these languages."
    if wrong:
        return await _new(request, user, site, form, wrong)
    async with services.database.write() as connection:
        site, _ = await site_for(connection, user, site.key, "editor")
        name = await free_name(connection, site.id, name_of(key))
        document, now = document_of(key, language, name), services.clock()
        document = document.model_copy(update={"delivery": form.get("delivery") or document.delivery})
        survey = await create_survey(connection, site.id, document, by=user.email, now=now)
    begin = "?begin" if key in BLANK else ""
    return RedirectResponse(f"/admin/{site.key}/{survey.id}/edit/question{begin}", 303)


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
        return RedirectResponse(f"/admin/{site.key}/surveys?deleted={survey.id}", 303)
    after = {"clone": "/edit/question", "publish": "/review?published"}.get(name, "")
    return RedirectResponse(f"/admin/{site.key}/{survey.id}{after}", 303)


routes = [
    Route("/admin", entrance),
    Route("/admin/{site}/surveys", surveys),
    Route("/admin/{site}/new", new_form),
    Route("/admin/{site}/new", create, methods=["POST"]),
    Route("/admin/{site}/{id:uuid}/{act}", act, methods=["POST"]),
]
