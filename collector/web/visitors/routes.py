"""What pages ask of the collector: the script, the file that draws, a place for events. Open to every origin.

The two addresses that every visitor's browser asks for are answered directly, see `collector.web.http.direct`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from collector.access.sites import site_by_key
from collector.db.outbox import backlog
from collector.errors import Fault, Forbidden, NotFound, Problem
from collector.responses.devices import read_user_agent
from collector.responses.events import Envelope, read_envelope, read_event
from collector.responses.events import Response as ResponseEvent
from collector.responses.intake import Arrival, Arrived, Receipt, check
from collector.responses.open_sites import OpenSite
from collector.surveys.lifecycle import as_if_published, get_survey
from collector.web.http.auth import require_token
from collector.web.http.bodies import parse_json, read_body
from collector.web.http.direct import Asked, Begin
from collector.web.http.measures import CONTENT_TYPE
from collector.web.http.packed import Head, problem_answer, response_of
from collector.web.http.problems import log
from collector.web.visitors.script import (
    FROZEN_FILES,
    OPEN_TO_ALL,
    RELEASED_FILES,
    SCRIPT_HEADERS,
    Script,
    config_of,
    format_asked,
)
from collector.web.visitors.services import VisitorServices, visitor_services_of

_TAKEN = Head(200, {**OPEN_TO_ALL, "Content-Type": "application/json", "Cache-Control": "no-store"})

Later = Coroutine[Any, Any, None]
Hot = Callable[[VisitorServices, str, Asked], Later | None]
"""Answers a request about a site; what must wait for the store comes back to be awaited. Both raise what is wrong."""


def site_script(services: VisitorServices, key: str, asked: Asked) -> Later | None:
    """The tag's one request: the loader with the site's published surveys in it."""
    script = services.live.scripts.fresh(key)
    if script is None:
        return _load_script(services, key, asked)
    _send_script(services, key, script, asked)
    return None


async def _load_script(services: VisitorServices, key: str, asked: Asked) -> None:
    _send_script(services, key, await services.live.scripts.get(key), asked)


def _send_script(services: VisitorServices, key: str, script: Script, asked: Asked) -> None:
    headers = asked.headers
    services.sightings.note(key, headers)
    asked.reply(*script.packed.answer(headers.get(b"accept-encoding", b""), headers.get(b"if-none-match", b"")))


def events(services: VisitorServices, key: str, asked: Asked) -> Later | None:
    """Takes events in; answered 200 only once they are on disk."""
    services.limits.check_body(asked.address, len(asked.body))
    envelope = read_envelope(parse_json(asked.body))
    services.limits.check_events(asked.address, len(envelope.events))
    site = services.live.sites.fresh(key)
    if site is None:
        return _load_site(services, key, envelope, asked)
    return _take(services, key, site, envelope, asked)


SENT_TO = ("answers", "events")
"""Where browsers send to under a site's address: one that no blocking list stops on any host, and one that some do."""
LONGEST_PREFLIGHT = 1000
"""Characters of the names of headers that a page's own scripts may add to what is sent."""
_HEADER_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")


def preflight(services: VisitorServices, key: str, asked: Asked) -> Later | None:  # noqa: ARG001
    """Whether a request with headers that a page's tracing agent adds may come: it may, and they are ignored."""
    names = asked.headers.get(b"access-control-request-headers", b"")
    allowed = names if len(names) <= LONGEST_PREFLIGHT and _HEADER_NAMES.fullmatch(names) else b"content-type"
    headers = {
        **OPEN_TO_ALL,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": allowed.decode("latin-1"),
        "Access-Control-Max-Age": "86400",
        "Vary": "Access-Control-Request-Headers",
    }
    asked.reply(Head(204, headers), b"")
    return None


async def _load_site(services: VisitorServices, key: str, envelope: Envelope, asked: Asked) -> None:
    later = _take(services, key, await services.live.sites.get(key), envelope, asked)
    if later:
        await later


def _take(services: VisitorServices, key: str, site: OpenSite, envelope: Envelope, asked: Asked) -> Later | None:
    services.limits.check_site(key, len(envelope.events))
    arrival = _arrival(services, site, envelope, asked)
    if site.listeners:
        answers = sum(isinstance(one.event, ResponseEvent) for one in arrival.events)
        services.limits.check_jobs(asked.address, answers * site.listeners)
    unknown = [one for one in arrival.events if one.survey is None and one.problem is None]
    if unknown:
        return _look_up(services, key, arrival, unknown, asked)
    _hand_in(services, arrival, asked)
    return None


async def _look_up(
    services: VisitorServices, key: str, arrival: Arrival, unknown: Sequence[Arrived], asked: Asked
) -> None:
    site = arrival.site
    if any(one.event and not site.has(one.event.survey, one.event.revision) for one in unknown):
        site = await services.live.sites.seek(key)  # once for all of them: it may have been published just now
    for one in unknown:
        await _find_survey(services, site, arrival, one)
    _hand_in(services, arrival, asked)


def _hand_in(services: VisitorServices, arrival: Arrival, asked: Asked) -> None:
    if arrival.events[0].problem and all(one.problem for one in arrival.events):
        raise arrival.events[0].problem
    services.intake.hand_in(arrival, partial(_answer, services, arrival, asked))


def _answer(services: VisitorServices, arrival: Arrival, asked: Asked, receipt: Receipt | Problem) -> None:
    if isinstance(receipt, Problem):
        asked.reply(*problem_answer(receipt))
        return
    if arrival.site.listeners:
        services.wake_worker()
    asked.reply(_TAKEN, _reply(services, arrival, receipt).encode())


class DirectRoutes:
    """Answers the two addresses for the server's protocol; errors are rendered here as well."""

    _HOT: Mapping[bytes, tuple[re.Pattern[bytes], Hot]] = {
        b"POST": (re.compile(rb"/w/([a-z0-9]{1,32})/(?:answers|events)"), events),
        b"OPTIONS": (re.compile(rb"/w/([a-z0-9]{1,32})/(?:answers|events)"), preflight),
        b"GET": (re.compile(rb"/w/([a-z0-9]{1,32})\.js(?:\?.*)?"), site_script),
    }

    def __init__(self, services: VisitorServices) -> None:
        self._services = services
        self._waiting: set[asyncio.Task[None]] = set()

    def __call__(self, method: bytes, target: bytes) -> Begin | None:
        hot = self._HOT.get(method)
        found = hot[0].fullmatch(target) if hot else None
        return partial(self._begin, hot[1], found[1].decode()) if hot and found else None

    async def close(self) -> None:
        """Give up what still waits for the store: whoever asked has gone by now."""
        waiting = list(self._waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def _begin(self, hot: Hot, key: str, asked: Asked) -> None:
        try:
            later = hot(self._services, key, asked)
        except Exception as error:
            _complain(key, asked, error)
        else:
            if later:
                task = asyncio.create_task(self._await(later, key, asked))
                self._waiting.add(task)
                task.add_done_callback(self._waiting.discard)

    async def _await(self, later: Later, key: str, asked: Asked) -> None:
        try:
            await later
        except Exception as error:
            _complain(key, asked, error)


def _complain(key: str, asked: Asked, error: Exception) -> None:
    if not isinstance(error, Problem):
        log.error("unexpected", site=key, exc_info=error)
        error = Problem()
    asked.reply(*problem_answer(error))


def ordinary(hot: Hot, *, has_body: bool) -> Callable[[Request], Awaitable[Response]]:
    """The same address by way of the framework."""

    async def endpoint(request: Request) -> Response:
        answered: asyncio.Future[tuple[Head, bytes]] = asyncio.get_running_loop().create_future()

        def reply(head: Head, body: bytes) -> None:
            if not answered.done():  # who asked has gone
                answered.set_result((head, body))

        address = request.client.host if request.client else ""
        body = await read_body(request) if has_body else b""
        later = hot(
            visitor_services_of(request),
            request.path_params["site"],
            Asked(address, dict(request.scope["headers"]), body, reply),
        )
        if later:
            await later
        return response_of(*await answered)

    return endpoint


def _arrival(services: VisitorServices, site: OpenSite, envelope: Envelope, asked: Asked) -> Arrival:
    """An envelope with what can be said of its events at once; the surveys of some may have to be looked up."""
    token, anonymous = envelope.visitor, envelope.anonymous
    visitor = services.signing.read_visitor(site.key, token) if isinstance(token, str) and not anonymous else None
    check_visitor = partial(services.limits.check_visitor, count=len(envelope.events))
    if visitor:
        check_visitor(visitor.hex)
    events = []
    for index, value in enumerate(envelope.events):
        one = Arrived(at := f"/events/{index}", at)
        events.append(one)
        try:
            one.event = read_event(value, at)
        except Problem as problem:
            one.problem = problem
            continue
        one.name = value["id"]
        one.survey = site.at_hand(one.event.survey, one.event.revision)
        if one.survey is not None:
            check(one, site, services.signing, anonymous)
    device = read_user_agent(asked.headers.get(b"user-agent", b"").decode("latin-1"))
    may_name = partial(services.limits.may_name, asked.address)
    return Arrival(site, visitor.hex if visitor else None, anonymous, device, events, may_name, check_visitor)


async def _find_survey(services: VisitorServices, site: OpenSite, arrival: Arrival, one: Arrived) -> None:
    """Have the survey of an event at hand, or its problem."""
    assert one.event is not None
    try:
        one.survey = await services.live.find(site, one.event.survey, one.event.revision)
    except Problem as problem:
        one.problem = problem
        return
    if one.survey is None:
        one.problem = NotFound(faults=[Fault(f"{one.at}/survey", "names no published survey of this site")])
    else:
        check(one, arrival.site, services.signing, arrival.anonymous)


def _reply(services: VisitorServices, arrival: Arrival, receipt: Receipt) -> str:
    """JSON; put together by hand, because ids and tokens have nothing in them to be escaped."""
    body = '{"stored":["' + '","'.join(receipt.stored) + '"]'
    if receipt.refused:
        body += ',"refused":' + json.dumps({name: problem.as_json() for name, problem in receipt.refused.items()})
    if receipt.visitor and not arrival.anonymous and receipt.visitor != arrival.visitor:
        body += f',"visitor":"{services.signing.visitor_token(arrival.site.key, receipt.visitor)}"'
    return body + "}"


async def survey_script(request: Request) -> Response:
    """The loader with one published survey alone, for the survey's own page."""
    name = f"{request.path_params['site']}-{request.path_params['survey']}"
    return await (await visitor_services_of(request).live.scripts.get(name)).packed.response(request)


async def site_config(request: Request) -> Response:
    """What the tag's script holds, for loaders that ask for it, in the format that theirs is."""
    config = await _config(request, request.path_params["site"])
    services = visitor_services_of(request)
    services.sightings.note(request.path_params["site"], dict(request.scope["headers"]))
    return config


async def survey_config(request: Request) -> Response:
    """One published survey alone, however it is delivered: for a page that shows it by its key."""
    return await _config(request, "{site}-{survey}".format(**request.path_params))


async def _config(request: Request, name: str) -> Response:
    number = format_asked(request.query_params.get("format"))
    config = await visitor_services_of(request).live.configs.get(f"{name}?{number}")
    return Response(config, media_type="application/json", headers=SCRIPT_HEADERS)


async def draft(request: Request) -> Response:
    """A survey as it was last saved, for a test on the site's own pages: a link that the editor makes leads here."""
    services, token = visitor_services_of(request), request.path_params["token"]
    number = format_asked(request.query_params.get("format"))
    async with services.database.read() as connection:
        site = await site_by_key(connection, request.path_params["site"])
        survey_id = services.signing.read_test(site.key, token, now=services.clock())
        if survey_id is None:
            raise NotFound("This test link has expired or is incomplete.")
        survey = await get_survey(connection, site.id, survey_id)
    config = config_of(site, [as_if_published(survey)], own_page=True, number=number)
    return Response(config, headers={**OPEN_TO_ALL, "Cache-Control": "no-store"}, media_type="application/json")


async def frozen(request: Request) -> Response:
    """A file that never changes under its name."""
    name = request.url.path.removeprefix("/w/")
    packed = FROZEN_FILES.get(name) or RELEASED_FILES.get(name)
    if packed is None:
        raise NotFound("File not found.")
    return await packed.response(request)


async def metrics(request: Request) -> Response:
    """For Prometheus, with an API token: not open to the world."""
    if not (await require_token(request)).is_everywhere():
        raise Forbidden("A token for every site is required.")
    services = visitor_services_of(request)
    async with services.database.read() as connection:
        jobs = await backlog(connection)
    return Response(services.measures.text(waiting=services.intake.waiting, jobs=jobs), media_type=CONTENT_TYPE)


async def healthz(request: Request) -> Response:  # noqa: ARG001
    return PlainTextResponse("alive\n")


async def readyz(request: Request) -> Response:
    """Whether an answer could be stored right now. Raises `Unavailable`."""
    await visitor_services_of(request).readiness.check()
    return PlainTextResponse("ready\n")


routes = [
    Route("/w/ui-{hash}.js", frozen),
    Route("/w/explain-{hash}.js", frozen),
    Route("/w/loader-{hash}.js", frozen),
    Route("/w/{site}.json", site_config),
    Route("/w/{site}/{survey}.json", survey_config),
    Route("/w/{site}/test/{token}.json", draft),
    Route("/w/{site}-{survey}.js", survey_script),
    Route("/w/{site}.js", ordinary(site_script, has_body=False)),
    Route("/w/{site}/answers", ordinary(events, has_body=True), methods=["POST"]),
    Route("/w/{site}/events", ordinary(events, has_body=True), methods=["POST"]),  # as older scripts know it
    *(Route(f"/w/{{site}}/{name}", ordinary(preflight, has_body=False), methods=["OPTIONS"]) for name in SENT_TO),
    Route("/s/{site}-{survey}.js", survey_script),  # as pages that are open know it
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/metrics", metrics),
]
