"""What pages ask of the collector: the script, the file that draws, a place for events. Open to every origin.

The two addresses that every visitor's browser asks for are plain ASGI, and `Front` answers them before the router.
"""

from __future__ import annotations

import json
import re

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from collector.devices import read_user_agent
from collector.errors import Fault, NotFound, Problem
from collector.outbox import backlog
from collector.responses.events import Envelope, read_envelope, read_event
from collector.responses.intake import Arrival, Arrived, Receipt, check
from collector.responses.open_sites import OpenSite
from collector.sites import site_by_key
from collector.surveys.lifecycle import live_revisions
from collector.web.auth import require_token
from collector.web.http import House, house_of, log, parse_json, problem_answer, receive_body
from collector.web.measures import CONTENT_TYPE
from collector.web.packed import Head
from collector.web.protocol import AT_ONCE
from collector.web.script import FROZEN_FILES, OPEN_TO_ALL, SCRIPT_HEADERS, config_of

_HOT = re.compile(r"/w/([a-z0-9]{1,32})(\.js|/events)")
_TAKEN = Head(200, {**OPEN_TO_ALL, "Content-Type": "application/json", "Cache-Control": "no-store"})


class Hot:
    """An address that answers without the framework's own request and response; errors are rendered here as well."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            head, body = await self.answer(scope, receive)
        except Problem as problem:
            head, body = problem_answer(problem)
        except Exception as error:
            log.error("unexpected", path=scope["path"], exc_info=error)
            head, body = problem_answer(Problem())
        at_once = scope.get("extensions", {}).pop(AT_ONCE, None)  # it holds what holds the scope: let go of it
        if at_once and at_once(head.status, head.lines, body):
            return
        await send({"type": "http.response.start", "status": head.status, "headers": head.before(body)})
        await send({"type": "http.response.body", "body": body})

    async def answer(self, scope: Scope, receive: Receive) -> tuple[Head, bytes]:
        raise NotImplementedError


class SiteScript(Hot):
    """The tag's one request: the loader with the site's published surveys in it."""

    async def answer(self, scope: Scope, receive: Receive) -> tuple[Head, bytes]:  # noqa: ARG002
        house: House = scope["app"].state.house
        key = scope["path_params"]["site"]
        script = house.live.scripts.fresh(key) or await house.live.scripts.get(key)
        headers = dict(scope["headers"])
        return script.packed.answer(headers.get(b"accept-encoding", b""), headers.get(b"if-none-match", b""))


class Events(Hot):
    """Takes events in; answered 200 only once they are on disk."""

    async def answer(self, scope: Scope, receive: Receive) -> tuple[Head, bytes]:
        house: House = scope["app"].state.house
        house.limits.check_address(scope["client"][0] if scope["client"] else "")
        headers = dict(scope["headers"])
        envelope = read_envelope(parse_json(await receive_body(headers, receive)))
        key = scope["path_params"]["site"]
        site = house.live.sites.fresh(key) or await house.live.sites.get(key)
        house.limits.check_site(key)
        arrival = _arrival(house, site, envelope, headers.get(b"user-agent", b"").decode("latin-1"))
        for one in arrival.events:
            if one.survey is None and one.problem is None:
                await _look_up(house, key, arrival, one)
        if arrival.events[0].problem and all(one.problem for one in arrival.events):
            raise arrival.events[0].problem
        receipt = await house.intake.submit(arrival)
        if site.webhooks:
            house.wake_worker()
        return _TAKEN, _reply(house, arrival, receipt).encode()


def _arrival(house: House, site: OpenSite, envelope: Envelope, user_agent: str) -> Arrival:
    """An envelope with what can be said of its events at once; the surveys of some may have to be looked up."""
    token, anonymous = envelope.visitor, envelope.anonymous
    visitor = house.signing.read_visitor(site.id, token) if isinstance(token, str) and not anonymous else None
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
            check(one, site, house.signing, anonymous)
    return Arrival(site, visitor.hex if visitor else None, anonymous, read_user_agent(user_agent), events)


async def _look_up(house: House, key: str, arrival: Arrival, one: Arrived) -> None:
    """Have the survey of an event at hand, or its problem."""
    assert one.event is not None
    try:
        one.survey = await house.live.find(key, arrival.site, one.event.survey, one.event.revision)
    except Problem as problem:
        one.problem = problem
        return
    if one.survey is None:
        one.problem = NotFound(faults=[Fault(f"{one.at}/survey", "names no published survey of this site")])
    else:
        check(one, arrival.site, house.signing, arrival.anonymous)


def _reply(house: House, arrival: Arrival, receipt: Receipt) -> str:
    """JSON; put together by hand, because ids and tokens have nothing in them to be escaped."""
    body = '{"stored":["' + '","'.join(receipt.stored) + '"]'
    if receipt.refused:
        body += ',"refused":' + json.dumps({name: problem.as_json() for name, problem in receipt.refused.items()})
    if receipt.visitor and not arrival.anonymous and receipt.visitor != arrival.visitor:
        body += f',"visitor":"{house.signing.visitor_token(arrival.site.id, receipt.visitor)}"'
    return body + "}"


class Front:
    """The application, with the two hot addresses answered before its router."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.state = app.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = self.app
        if scope["type"] == "http" and (match := _HOT.fullmatch(scope["path"])):
            is_events = match[2] == "/events"
            if scope["method"] == "POST" if is_events else scope["method"] in ("GET", "HEAD"):
                scope["app"], scope["path_params"] = self.app, {"site": match[1]}
                app = EVENTS if is_events else SITE_SCRIPT
        if app is self.app:
            scope.pop("extensions", None)  # nobody else answers at once, and it holds what holds the scope
        await app(scope, receive, send)


async def survey_script(request: Request) -> Response:
    """The loader with one published survey alone, for the survey's own page."""
    name = f"{request.path_params['site']}-{request.path_params['survey']}"
    return (await house_of(request).live.scripts.get(name)).packed.response(request)


async def site_config(request: Request) -> Response:
    """What the tag's script holds, as JSON for the frozen loader."""
    async with house_of(request).database.read() as connection:
        site = await site_by_key(connection, request.path_params["site"])
        config = config_of(site.key, await live_revisions(connection, site.id))
    return Response(config, media_type="application/json", headers=SCRIPT_HEADERS)


async def frozen(request: Request) -> Response:
    """A file that never changes under its name."""
    packed = FROZEN_FILES.get(request.url.path.removeprefix("/w/"))
    if packed is None:
        raise NotFound("This file belongs to another release.")
    return packed.response(request)


async def metrics(request: Request) -> Response:
    """For Prometheus, with an API token: not open to the world."""
    await require_token(request)
    house = house_of(request)
    async with house.database.read() as connection:
        jobs = await backlog(connection)
    return Response(house.measures.text(waiting=house.intake.waiting, jobs=jobs), media_type=CONTENT_TYPE)


async def healthz(request: Request) -> Response:  # noqa: ARG001
    return PlainTextResponse("alive\n")


async def readyz(request: Request) -> Response:
    """Whether an answer could be stored right now. Raises `Unavailable`."""
    await house_of(request).database.probe()
    return PlainTextResponse("ready\n")


SITE_SCRIPT, EVENTS = SiteScript(), Events()

routes = [
    Route("/w/ui-{hash}.js", frozen),
    Route("/w/loader-{hash}.js", frozen),
    Route("/w/{site}.json", site_config),
    Route("/w/{site}.js", SITE_SCRIPT, methods=["GET"]),
    Route("/w/{site}/events", EVENTS, methods=["POST"]),
    Route("/s/{site}-{survey}.js", survey_script),
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/metrics", metrics),
]
