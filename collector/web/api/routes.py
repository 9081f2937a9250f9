"""REST under ``/api/v1``, with bearer tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.access.sites import Site
from collector.errors import Fault, Invalid
from collector.responses.reading import Filter, get_response, list_responses
from collector.responses.removal import delete_response
from collector.results.figures import results_of
from collector.surveys.acts import act_on
from collector.surveys.document import SurveyDocument, read_document
from collector.surveys.lifecycle import Survey, create_survey, get_survey, list_surveys, replace_survey
from collector.surveys.metrics import GROUPS
from collector.surveys.versions import require_version, version_of
from collector.web.api import sites as api_sites
from collector.web.api import webhooks as api_webhooks
from collector.web.api.openapi import Endpoint, Query
from collector.web.api.reference import descriptions, viewer_file
from collector.web.api.resources import ResponseList, ResponseResource, ResultsResource, SurveyList, SurveyResource
from collector.web.api.rest import CURSOR, IF_MATCH, LIMIT, PREFIX, SITE, answer, limit_of, site_of, wanted_versions
from collector.web.http.auth import require_token
from collector.web.http.bodies import MOST_DOCUMENT_BYTES, read_json
from collector.web.http.packed import Packed
from collector.web.http.services import services_of

# ---- surveys


async def surveys_list(request: Request) -> Response:
    await require_token(request)
    async with services_of(request).database.read() as connection:
        site = await site_of(request, connection)
        found = await list_surveys(connection, site.id)
    return answer(SurveyList(items=[_survey_resource(request, survey, site) for survey in found], next=None))


async def surveys_create(request: Request) -> Response:
    token = await require_token(request)
    services = services_of(request)
    document = read_document(await read_json(request, MOST_DOCUMENT_BYTES))
    async with services.database.write() as connection:
        site = await site_of(request, connection)
        survey = await create_survey(connection, site.id, document, by=token.who, now=services.clock())
    return _answer_survey(request, survey, site, 201)


async def surveys_get(request: Request) -> Response:
    await require_token(request)
    async with services_of(request).database.read() as connection:
        site = await site_of(request, connection)
        survey = await get_survey(connection, site.id, request.path_params["id"])
    return _answer_survey(request, survey, site)


async def surveys_replace(request: Request) -> Response:
    token = await require_token(request)
    services, wanted = services_of(request), wanted_versions(request)
    document = read_document(await read_json(request, MOST_DOCUMENT_BYTES))
    async with services.database.write() as connection:
        site = await site_of(request, connection)
        survey_id = request.path_params["id"]
        if wanted is not None:
            require_version(await get_survey(connection, site.id, survey_id, to_change=True), wanted)
        survey = await replace_survey(connection, site.id, survey_id, document, by=token.who, now=services.clock())
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
    async with services_of(request).database.read() as connection:
        site = await site_of(request, connection)
        survey = await get_survey(connection, site.id, request.path_params["id"])
        results = await results_of(connection, survey)
    return answer(ResultsResource.of(results))


async def _act(request: Request, act: str, *, status: int = 200) -> Response:
    """One step of a survey's life, then the script anew."""
    token = await require_token(request)
    services, wanted = services_of(request), wanted_versions(request)
    async with services.database.write() as connection:
        site = await site_of(request, connection)
        by, now = token.who, services.clock()
        survey = await act_on(connection, site.id, request.path_params["id"], act, version=wanted, by=by, now=now)
    return _answer_survey(request, survey, site, status)


def _answer_survey(request: Request, survey: Survey, site: Site, status: int = 200) -> Response:
    """With its version, which a later call may name."""
    return answer(_survey_resource(request, survey, site), status, {"ETag": f'"{version_of(survey)}"'})


def _survey_resource(request: Request, survey: Survey, site: Site) -> SurveyResource:
    return SurveyResource.of(survey, site, services_of(request).settings.public_url)


# ---- responses


async def responses_list(request: Request) -> Response:
    await require_token(request)
    query = request.query_params
    limit, wanted = limit_of(request), _filter(dict(query))
    async with services_of(request).database.read() as connection:
        site = await site_of(request, connection)
        rows, following = await list_responses(connection, site.id, wanted, limit=limit, cursor=query.get("cursor"))
    return answer(ResponseList(items=[ResponseResource.of(row) for row in rows], next=following))


async def responses_get(request: Request) -> Response:
    await require_token(request)
    async with services_of(request).database.read() as connection:
        site = await site_of(request, connection)
        row = await get_response(connection, site.id, request.path_params["id"])
    return answer(ResponseResource.of(row))


async def responses_delete(request: Request) -> Response:
    token = await require_token(request)
    services, response_id = services_of(request), request.path_params["id"]
    async with services.database.write() as connection:
        site = await site_of(request, connection)
        await delete_response(connection, site.id, response_id, by=token.who, now=services.clock())
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
            faults.append(Fault(f"?{name[:100]}", f"unknown filter; available: {', '.join(readers)}"))
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
    Query("survey", "Only responses to this survey.", {"type": "string", "format": "uuid"}),
    Query("group", "Only responses of this group.", {"enum": list(GROUPS)}),
    Query("commented", "Only responses with a comment (true) or without (false).", {"type": "boolean"}),
    Query("bot", "Only responses flagged as sent by a robot (true), or only others (false).", {"type": "boolean"}),
    Query("since", "Only responses at or after this time.", {"type": "string", "format": "date-time"}),
    Query("until", "Only responses before this time.", {"type": "string", "format": "date-time"}),
    LIMIT,
    CURSOR,
)

ENDPOINTS = (
    Endpoint(
        "GET", "/surveys", surveys_list, "List the surveys of a site", SurveyList, query=(SITE,), problems=(404, 422)
    ),
    Endpoint(
        "POST",
        "/surveys",
        surveys_create,
        "Create a survey as a draft",
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
        "Replace the draft; the published revision stays live until the next publish",
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
        "Delete a survey; it can be restored for 30 days, then it is permanently deleted with its responses",
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
            ("publish", surveys_publish, "Publish the draft as a new revision", 200),
            ("pause", surveys_pause, "Pause a survey until the next publish", 200),
            ("archive", surveys_archive, "Archive a survey", 200),
            ("clone", surveys_clone, "Duplicate a survey as a new draft", 201),
        )
    ),
    Endpoint(
        "GET",
        "/surveys/{id}/results",
        surveys_results,
        "Read the results of a survey",
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
        "DELETE", "/responses/{id}", responses_delete, "Delete a response", None, query=(SITE,), problems=(404, 422)
    ),
)


ALL = (*api_sites.ENDPOINTS, *ENDPOINTS, *api_webhooks.ENDPOINTS)


@lru_cache(maxsize=4)
def described(public_url: str) -> dict[str, Packed]:
    """What describes the interface at this address, by its own address: made once, which takes a tenth of a second."""
    return descriptions(ALL, public_url)


async def describe(request: Request) -> Response:
    found = await asyncio.to_thread(described, services_of(request).settings.public_url)
    return await found[request.url.path].response(request)


routes = [
    *(Route(path, describe) for path in ("/api", "/api/openapi.json", "/api/survey.schema.json")),
    Route("/api/reference/{name}", viewer_file),
    *(endpoint.route(PREFIX) for endpoint in ALL),
]
