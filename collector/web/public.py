"""What pages ask of the collector: the script, the file that draws, a place for events. Open to every origin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from collector.devices import read_user_agent
from collector.errors import NotFound
from collector.responses.events import read_envelope
from collector.responses.intake import take_in
from collector.sites import site_by_key
from collector.surveys.lifecycle import get_revision, live_revisions
from collector.web.http import house_of, json_response, read_json
from collector.web.script import FROZEN_FILES, ScriptCache, config_of

OPEN_TO_ALL = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
SCRIPT_HEADERS = {**OPEN_TO_ALL, "Cache-Control": "public, max-age=60, stale-while-revalidate=600"}
FROZEN_HEADERS = {**OPEN_TO_ALL, "Cache-Control": "public, max-age=31536000, immutable"}


async def site_script(request: Request) -> Response:
    """The tag's one request: the loader with the site's published surveys in it."""
    key = request.path_params["site"]

    async def config() -> str:
        async with house_of(request).database.read() as connection:
            site = await site_by_key(connection, key)
            return config_of(site.key, await live_revisions(connection, site.id))

    return await _script(request, key, config)


async def survey_script(request: Request) -> Response:
    """The loader with one published survey alone, for the survey's own page."""
    key, survey = request.path_params["site"], request.path_params["survey"]

    async def config() -> str:
        async with house_of(request).database.read() as connection:
            site = await site_by_key(connection, key)
            revision = await get_revision(connection, site.id, survey, None)
        if revision.status != "published":
            raise NotFound("This survey is not published.")
        return config_of(site.key, [revision], own_page=True)

    return await _script(request, f"{key}-{survey}", config)


async def _script(request: Request, name: str, config: Callable[[], Awaitable[str]]) -> Response:
    cache: ScriptCache = request.app.state.scripts
    packed = cache.fresh(name) or cache.renew(name, await config())
    return packed.response(request, SCRIPT_HEADERS)


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
    return packed.response(request, FROZEN_HEADERS)


async def events(request: Request) -> Response:
    """Take events in; answered 200 only once they are on disk."""
    house = house_of(request)
    envelope = read_envelope(await read_json(request))
    device = read_user_agent(request.headers.get("user-agent"))
    async with house.database.write() as connection:
        site = await site_by_key(connection, request.path_params["site"])
        receipt = await take_in(connection, house.signing, site.id, envelope, device, now=house.clock())
    body: dict[str, object] = {"stored": receipt.stored}
    if receipt.refused:
        body["refused"] = {name: problem.as_json() for name, problem in receipt.refused.items()}
    if receipt.visitor:
        body["visitor"] = receipt.visitor
    return json_response(body, headers={**OPEN_TO_ALL, "Cache-Control": "no-store"})


async def healthz(request: Request) -> Response:  # noqa: ARG001
    return PlainTextResponse("alive\n")


async def readyz(request: Request) -> Response:
    """Whether an answer could be stored right now. Raises `Unavailable`."""
    await house_of(request).database.probe()
    return PlainTextResponse("ready\n")


routes = [
    Route("/w/ui-{hash}.js", frozen),
    Route("/w/loader-{hash}.js", frozen),
    Route("/w/{site}.json", site_config),
    Route("/w/{site}.js", site_script),
    Route("/w/{site}/events", events, methods=["POST"]),
    Route("/s/{site}-{survey}.js", survey_script),
    Route("/healthz", healthz),
    Route("/readyz", readyz),
]
