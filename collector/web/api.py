"""REST under ``/api/v1``, with bearer tokens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.audit import record
from collector.errors import Fault, Forbidden, Invalid, NotFound
from collector.metrics import GROUPS
from collector.responses.reading import Filter, delete_response, get_response, list_responses
from collector.results import results_of
from collector.sites import Site, change_site, create_site, list_sites, site_by_key
from collector.surveys.document import SurveyDocument, json_schema, read_document
from collector.surveys.lifecycle import Survey, create_survey, get_survey, list_surveys, replace_survey
from collector.surveys.versions import require_version, version_of
from collector.tokens import check_token_again, token_role
from collector.web import api_webhooks
from collector.web.acts import act_on
from collector.web.auth import require_token
from collector.web.http import MOST_DOCUMENT_BYTES, house_of, json_response, page, read_json
from collector.web.openapi import Endpoint, Query, openapi
from collector.web.resources import (
    ChangedSite,
    NewSite,
    ResponseList,
    ResponseResource,
    ResultsResource,
    SiteList,
    SiteResource,
    SurveyList,
    SurveyResource,
    read_changed_site,
    read_new_site,
)
from collector.web.rest import (
    CURSOR,
    IF_MATCH,
    LIMIT,
    PREFIX,
    SITE,
    answer,
    limit_of,
    signing_on,
    site_of,
    wanted_versions,
)

# ---- sites


async def sites_list(request: Request) -> Response:
    token = await require_token(request)
    house = house_of(request)
    async with house.database.read() as connection:
        found = [site for site in await list_sites(connection) if await token_role(connection, token, site.id)]
        items = [await _site_resource(request, connection, site) for site in found]
    return answer(SiteList(items=items, next=None))


async def sites_create(request: Request) -> Response:
    token = await require_token(request)
    house = house_of(request)
    name = read_new_site(await read_json(request))
    async with house.database.write() as connection:
        if not (await check_token_again(connection, token)).is_everywhere("owner"):
            raise Forbidden("This takes a token for every site, of somebody who owns every site.")
        site = await create_site(connection, name, now=house.clock())
        await record(connection, token.who, "site.added", site.name, now=house.clock(), site_id=site.id)
        made = await _site_resource(request, connection, site)
    return answer(made, 201)


async def sites_get(request: Request) -> Response:
    token = await require_token(request)
    async with house_of(request).database.read() as connection:
        site = await site_by_key(connection, request.path_params["key"])
        if await token_role(connection, token, site.id) is None:
            raise NotFound("No site has this key.")
        found = await _site_resource(request, connection, site)
    return answer(found)


async def sites_change(request: Request) -> Response:
    token = await require_token(request)
    house = house_of(request)
    value = await read_json(request)
    async with house.database.write() as connection:
        checked = await check_token_again(connection, token)
        site = await site_by_key(connection, request.path_params["key"])
        role = await token_role(connection, checked, site.id)
        if role is None:
            raise NotFound("No site has this key.")
        if role != "owner":
            raise Forbidden("This takes a token of somebody who owns the site.")
        site = await change_site(
            connection, token.who, site, read_changed_site(value, site.settings), now=house.clock()
        )
        await house.database.tell(connection)
        changed = await _site_resource(request, connection, site)
    house.live.forget()
    return answer(changed)


async def _site_resource(request: Request, connection: AsyncConnection, site: Site) -> SiteResource:
    signing = await signing_on(request, connection, site)
    return SiteResource.of(site, signing, house_of(request).settings.public_url)


# ---- surveys


async def surveys_list(request: Request) -> Response:
    await require_token(request)
    async with house_of(request).database.read() as connection:
        site = await site_of(request, connection)
        found = await list_surveys(connection, site.id)
    return answer(SurveyList(items=[_survey_resource(request, survey, site) for survey in found], next=None))


async def surveys_create(request: Request) -> Response:
    token = await require_token(request)
    house = house_of(request)
    document = read_document(await read_json(request, MOST_DOCUMENT_BYTES))
    async with house.database.write() as connection:
        site = await site_of(request, connection)
        survey = await create_survey(connection, site.id, document, now=house.clock())
        await record(connection, token.who, "survey.created", survey.name, now=house.clock(), site_id=site.id)
    return _answer_survey(request, survey, site, 201)


async def surveys_get(request: Request) -> Response:
    await require_token(request)
    async with house_of(request).database.read() as connection:
        site = await site_of(request, connection)
        survey = await get_survey(connection, site.id, request.path_params["id"])
    return _answer_survey(request, survey, site)


async def surveys_replace(request: Request) -> Response:
    token = await require_token(request)
    house, wanted = house_of(request), wanted_versions(request)
    document = read_document(await read_json(request, MOST_DOCUMENT_BYTES))
    async with house.database.write() as connection:
        site = await site_of(request, connection)
        now, survey_id = house.clock(), request.path_params["id"]
        if wanted is not None:
            require_version(await get_survey(connection, site.id, survey_id, to_change=True), wanted)
        survey = await replace_survey(connection, site.id, survey_id, document, now=now)
        await record(connection, token.who, "survey.replaced", survey.name, now=now, site_id=site.id)
    return _answer_survey(request, survey, site)


async def surveys_delete(request: Request) -> Response:
    await _act(request, "delete")
    return Response(status_code=204)


async def surveys_publish(request: Request) -> Response:
    return await _act(request, "publish")


async def surveys_pause(request: Request) -> Response:
    return await _act(request, "pause")


async def surveys_archive(request: Request) -> Response:
    return await _act(request, "archive")


async def surveys_clone(request: Request) -> Response:
    return await _act(request, "clone", status=201)


async def surveys_results(request: Request) -> Response:
    await require_token(request)
    async with house_of(request).database.read() as connection:
        site = await site_of(request, connection)
        survey = await get_survey(connection, site.id, request.path_params["id"])
        results = await results_of(connection, survey)
    return answer(ResultsResource.of(results))


async def _act(request: Request, act: str, *, status: int = 200) -> Response:
    """One step of a survey's life, then the script anew."""
    token = await require_token(request)
    house, wanted = house_of(request), wanted_versions(request)
    async with house.database.write() as connection:
        site = await site_of(request, connection)
        survey = await act_on(house, connection, token.who, site, request.path_params["id"], act, version=wanted)
    house.live.forget()
    return _answer_survey(request, survey, site, status)


def _answer_survey(request: Request, survey: Survey, site: Site, status: int = 200) -> Response:
    """With its version, which a later call may name."""
    return answer(_survey_resource(request, survey, site), status, {"ETag": f'"{version_of(survey)}"'})


def _survey_resource(request: Request, survey: Survey, site: Site) -> SurveyResource:
    return SurveyResource.of(survey, site, house_of(request).settings.public_url)


# ---- responses


async def responses_list(request: Request) -> Response:
    await require_token(request)
    query = request.query_params
    limit, wanted = limit_of(request), _filter(dict(query))
    async with house_of(request).database.read() as connection:
        site = await site_of(request, connection)
        rows, following = await list_responses(connection, site.id, wanted, limit=limit, cursor=query.get("cursor"))
    return answer(ResponseList(items=[ResponseResource.of(row) for row in rows], next=following))


async def responses_get(request: Request) -> Response:
    await require_token(request)
    async with house_of(request).database.read() as connection:
        site = await site_of(request, connection)
        row = await get_response(connection, site.id, request.path_params["id"])
    return answer(ResponseResource.of(row))


async def responses_delete(request: Request) -> Response:
    token = await require_token(request)
    house, response_id = house_of(request), request.path_params["id"]
    async with house.database.write() as connection:
        site = await site_of(request, connection)
        await delete_response(connection, site.id, response_id)
        await record(connection, token.who, "response.deleted", str(response_id), now=house.clock(), site_id=site.id)
    return Response(status_code=204)


def _filter(query: dict[str, str]) -> Filter:
    """Read the filters. Raises `Invalid` with a fault for each that is wrong or unknown."""
    faults: list[Fault] = []
    readers: dict[str, tuple[Callable[[str], Any], str]] = {
        "survey": (UUID, "must be a survey's id"),
        "group": (_one_of(*GROUPS), "must be negative, neutral or positive"),
        "commented": (_yes_no, "must be true or false"),
        "bot": (_yes_no, "must be true or false"),
        "since": (_moment, "must be a time such as 2026-01-31T00:00:00Z"),
        "until": (_moment, "must be a time such as 2026-01-31T00:00:00Z"),
    }
    values: dict[str, Any] = {}
    for name, value in query.items():
        if name in ("site", "limit", "cursor"):
            continue
        if name not in readers:
            faults.append(Fault(f"?{name[:100]}", f"is no filter; there are {', '.join(readers)}"))
            continue
        read, right = readers[name]
        try:
            values["survey_id" if name == "survey" else name] = read(value)
        except (ValueError, OverflowError):
            faults.append(Fault(f"?{name}", right))
    if faults:
        raise Invalid(faults=faults)
    return Filter(**values)


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(value)
        return value

    return read


def _yes_no(value: str) -> bool:
    return _one_of("true", "false")(value) == "true"


def _moment(value: str) -> datetime:
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError("a time needs its zone")
    return found.astimezone(UTC)


# ---- what describes it

FILTERS = (
    Query("survey", "Only this survey's.", {"type": "string", "format": "uuid"}),
    Query("group", "Only this group's.", {"enum": list(GROUPS)}),
    Query("commented", "Only with, or only without, a comment.", {"type": "boolean"}),
    Query("bot", "Only flagged, or only not flagged, as sent by a robot.", {"type": "boolean"}),
    Query("since", "Given at or after this moment.", {"type": "string", "format": "date-time"}),
    Query("until", "Given before this moment.", {"type": "string", "format": "date-time"}),
    LIMIT,
    CURSOR,
)

ENDPOINTS = (
    Endpoint("GET", "/sites", sites_list, "List the sites", SiteList),
    Endpoint("POST", "/sites", sites_create, "Add a site", SiteResource, NewSite, 201, problems=(409,)),
    Endpoint(
        "PATCH",
        "/sites/{key}",
        sites_change,
        "Change the settings of a site",
        SiteResource,
        ChangedSite,
        problems=(404,),
    ),
    Endpoint("GET", "/sites/{key}", sites_get, "Read a site", SiteResource, problems=(404,)),
    Endpoint(
        "GET", "/surveys", surveys_list, "List the surveys of a site", SurveyList, query=(SITE,), problems=(404, 422)
    ),
    Endpoint(
        "POST",
        "/surveys",
        surveys_create,
        "Save a new draft",
        SurveyResource,
        SurveyDocument,
        201,
        query=(SITE,),
        problems=(404, 409),
    ),
    Endpoint("GET", "/surveys/{id}", surveys_get, "Read a survey", SurveyResource, query=(SITE,), problems=(404, 422)),
    Endpoint(
        "PUT",
        "/surveys/{id}",
        surveys_replace,
        "Replace the draft; what is live stays until the next publish",
        SurveyResource,
        SurveyDocument,
        query=(SITE,),
        headers=(IF_MATCH,),
        problems=(404, 409),
    ),
    Endpoint(
        "DELETE",
        "/surveys/{id}",
        surveys_delete,
        "Delete it; for 30 days an editor can bring it back, then it is gone with its answers",
        None,
        query=(SITE,),
        headers=(IF_MATCH,),
        problems=(404, 422),
    ),
    *(
        Endpoint(
            "POST",
            f"/surveys/{{id}}/{verb}",
            handler,
            summary,
            SurveyResource,
            status=status,
            query=(SITE,),
            headers=(IF_MATCH,),
            problems=(404, 409, 422),
        )
        for verb, handler, summary, status in (
            ("publish", surveys_publish, "Freeze the draft as a revision and make it live", 200),
            ("pause", surveys_pause, "Show it no more until the next publish", 200),
            ("archive", surveys_archive, "Close it for good", 200),
            ("clone", surveys_clone, "Make a new draft from it", 201),
        )
    ),
    Endpoint(
        "GET",
        "/surveys/{id}/results",
        surveys_results,
        "Read the figures",
        ResultsResource,
        query=(SITE,),
        problems=(404, 422),
    ),
    Endpoint(
        "GET",
        "/responses",
        responses_list,
        "List responses, newest first",
        ResponseList,
        query=(SITE, *FILTERS),
        problems=(404, 422),
    ),
    Endpoint(
        "GET", "/responses/{id}", responses_get, "Read a response", ResponseResource, query=(SITE,), problems=(404, 422)
    ),
    Endpoint(
        "DELETE", "/responses/{id}", responses_delete, "Remove a response", None, query=(SITE,), problems=(404, 422)
    ),
)


ALL = (*ENDPOINTS, *api_webhooks.ENDPOINTS)


async def describe(request: Request) -> Response:
    return json_response(openapi(ALL, PREFIX, house_of(request).settings.public_url))


async def survey_schema(request: Request) -> Response:  # noqa: ARG001
    return json_response(json_schema(), media_type="application/schema+json")


async def reference(request: Request) -> Response:
    described = openapi(ALL, PREFIX, house_of(request).settings.public_url)
    return page("reference.html", described=described, schema=json_schema(), endpoints=ALL, prefix=PREFIX)


routes = [
    Route("/api", reference),
    Route("/api/openapi.json", describe),
    Route("/api/survey.schema.json", survey_schema),
    *(endpoint.route(PREFIX) for endpoint in ALL),
]
