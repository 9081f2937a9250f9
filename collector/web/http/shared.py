"""What every door shares: the parts a request needs, limits on bodies, JSON, and the one place that renders errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match, Route

from collector.access.oidc import SignOn
from collector.access.signing import Signing
from collector.db.group import GroupCommit
from collector.db.store import Database
from collector.errors import BadRequest, MethodNotAllowed, NotFound, Problem
from collector.responses.intake import Arrival, Receipt
from collector.settings import Settings
from collector.surveys.personal import fill
from collector.web.http.direct import MOST_BYTES, Body
from collector.web.http.limits import Limits
from collector.web.http.measures import Measures
from collector.web.http.packed import problem_answer, response_of
from collector.web.http.readiness import Readiness
from collector.web.visitors.live import Live

MOST_DOCUMENT_BYTES = 512 * 1024
"""The largest document; any other body may have `MOST_BYTES`."""
DEEPEST = 32
"""Levels of brackets in a JSON body."""

log = structlog.get_logger()


@dataclass(frozen=True)
class House:
    """What the doors work with; made once, in `collector.run.app`."""

    settings: Settings
    database: Database
    signing: Signing
    clock: Callable[[], datetime]
    intake: GroupCommit[Arrival, Receipt]
    live: Live
    limits: Limits
    measures: Measures
    wake_worker: Callable[[], None]
    readiness: Readiness
    sign_on: SignOn | None = None
    """The provider that people may sign in with, where there is one."""
    examples: Path | None = None
    """The folder of the example pages, when they are served."""


def house_of(request: Request) -> House:
    return cast("House", request.app.state.house)


def uuid_of(text: str) -> UUID | None:
    """Of an address or a form that whoever sends it may change; None for anything else."""
    try:
        return UUID(text)
    except ValueError:
        return None


async def read_body(request: Request, most: int = MOST_BYTES) -> bytes:
    """The whole body. Raises what `Body` does, and `BadRequest` for one that ends before it is whole."""
    body = Body(dict(request.scope["headers"]), most)
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("The body did not arrive whole.")
        body.add(message.get("body", b""))
        if not message.get("more_body"):
            return body.whole()


def parse_json(body: bytes) -> Any:
    """Read JSON as RFC 8259 has it, with a limit on depth and no key twice. Raises `BadRequest` with the place."""
    if body.count(b"[") + body.count(b"{") > DEEPEST and _depth(body) > DEEPEST:
        raise BadRequest(f"The JSON is nested deeper than {DEEPEST} levels.")
    try:
        text = body.decode("utf-8")
        try:
            value, end = _SCAN(text, 0)
        except StopIteration:
            end = -1
        return value if end == len(text) else _DECODER.decode(text)  # with blanks around it, or wrong
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8 at byte {error.start}.") from None
    except json.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error.msg}, line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise BadRequest(f"The JSON is nested deeper than {DEEPEST} levels.") from None
    except ValueError as error:
        raise BadRequest(f"The body is not JSON that can be used: {error}.") from None


_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[^"\[\]{}]+', re.DOTALL)


def _depth(body: bytes) -> int:
    """How deep brackets are nested outside texts."""
    depth = deepest = 0
    for byte in _TEXTS.sub(b"", body):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise ValueError(f"the key {twice[:100]!r} stands there twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
_SCAN: Callable[[str, int], tuple[Any, int]] = vars(_DECODER)["scan_once"]


def json_response(
    value: Any, status: int = 200, headers: dict[str, str] | None = None, media_type: str = "application/json"
) -> Response:
    """JSON in ASCII alone, so that whatever text a client sent can be named back to it."""
    return Response(json.dumps(value), status, headers, media_type=media_type)


async def read_json(request: Request, most: int = MOST_BYTES) -> Any:
    return parse_json(await read_body(request, most))


# ---- pages


@cache
def templates() -> Any:
    """The environment of all pages, loaded when the first one is asked for or someone warms up."""
    jinja2 = import_module("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(
            [Path(__file__).parent.parent / part / "templates" for part in ("visitors", "admin")]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    environment.filters["filled"] = fill
    return environment


_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'"
)
PAGE_HEADERS = {
    "Content-Security-Policy": _POLICY + "; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

FRAMING = {"Content-Security-Policy": _POLICY + "; frame-src 'self'; frame-ancestors 'none'"}
"""For a page that has a frame with another page of ours in it."""
PICTURED = {"Content-Security-Policy": _POLICY.replace("data:", "data: http: https:") + "; frame-ancestors 'none'"}
"""For a page that shows a survey, whose thank-you may have a picture from anywhere."""
FRAMED = {key: value.replace("ancestors 'none'", "ancestors 'self'") for key, value in PICTURED.items()}
"""For the page in such a frame."""


def page(template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    """Render a template; an undefined name is an error."""
    text = templates().get_template(template).render(**values)
    return HTMLResponse(text, status, headers={**PAGE_HEADERS, **(headers or {})})


# ---- errors

_BY_STATUS: dict[int, type[Problem]] = {404: NotFound, 405: MethodNotAllowed}


def _methods_at(request: Request) -> str:
    """What an address takes, over every route that it has (RFC 9110, 15.5.6)."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches({**request.scope, "type": "http"})[0] != Match.NONE:
            found |= route.methods or set()
    return ", ".join(sorted(found))


async def render_problem(request: Request, error: Exception) -> Response:
    """Problem+json for programs, a page for people; a fault of ours is logged and says nothing of the inside."""
    if isinstance(error, Problem):
        problem = error
    elif isinstance(error, HTTPException):
        allowed = {"Allow": _methods_at(request)} if error.status_code == 405 else {}
        problem = _BY_STATUS.get(error.status_code, BadRequest)(headers={**(error.headers or {}), **allowed})
    else:
        secret = request.path_params.get("secret")
        path = request.url.path.replace(secret, "…") if secret else request.url.path  # a link that may still be good
        log.error("unexpected", path=path, exc_info=error)
        problem = Problem()
    if request.url.path.startswith(("/admin", "/s/")) and "text/html" in request.headers.get("accept", ""):
        home = "/admin" if request.url.path.startswith("/admin") else ""
        return page("problem.html", status=problem.status, headers=problem.headers, problem=problem, home=home)
    return response_of(*problem_answer(problem))
