"""What every door shares: the parts a request needs, limits on bodies, JSON, and the one place that renders errors."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import brotli
import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from collector.db import Database
from collector.errors import BadRequest, MethodNotAllowed, NotFound, Problem, TooLarge
from collector.settings import Settings
from collector.signing import Signing

MOST_BYTES = 64 * 1024
"""The largest body of an event or form; a document may have `MOST_DOCUMENT_BYTES`."""
MOST_DOCUMENT_BYTES = 512 * 1024
DEEPEST = 32
"""Levels of brackets in a JSON body."""

PROBLEM_JSON = "application/problem+json"

log = structlog.get_logger()


@dataclass(frozen=True)
class House:
    """What the doors work with; made once, in `collector.app`."""

    settings: Settings
    database: Database
    signing: Signing
    clock: Callable[[], datetime]
    examples: Path | None = None
    """The folder of the example pages, when they are served."""


def house_of(request: Request) -> House:
    return cast("House", request.app.state.house)


async def read_body(request: Request, most: int = MOST_BYTES) -> bytes:
    """The whole body. Raises `TooLarge` as soon as it is known to be, `BadRequest` for a compressed one."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise BadRequest("The body must not be compressed.")
    too_large = TooLarge(f"At most {most} bytes are read.")
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length[:12]) > most:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise too_large
    except ClientDisconnect:
        raise BadRequest("The body did not arrive whole.") from None
    return bytes(body)


def parse_json(body: bytes) -> Any:
    """Read JSON as RFC 8259 has it, with a limit on depth and no key twice. Raises `BadRequest` with the place."""
    if _depth(body) > DEEPEST:
        raise BadRequest(f"The JSON is nested deeper than {DEEPEST} levels.")
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
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
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name[:100]!r} stands there twice")
        found[name] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def json_response(
    value: Any, status: int = 200, headers: dict[str, str] | None = None, media_type: str = "application/json"
) -> Response:
    """JSON in ASCII alone, so that whatever text a client sent can be named back to it."""
    return Response(json.dumps(value), status, headers, media_type=media_type)


async def read_json(request: Request, most: int = MOST_BYTES) -> Any:
    return parse_json(await read_body(request, most))


@dataclass(frozen=True)
class Packed:
    """A text ready to be sent: compressed once for each encoding, with its entity tag."""

    media_type: str
    etag: str
    bodies: dict[str, bytes]

    @classmethod
    def pack(cls, text: str, media_type: str, etag: str) -> Packed:
        raw = text.encode()
        bodies = {
            "br": brotli.compress(raw, quality=11),
            "gzip": gzip.compress(raw, 9, mtime=0),
            "identity": raw,
        }
        return cls(media_type, f'W/"{etag}"', bodies)

    def response(self, request: Request, headers: dict[str, str]) -> Response:
        headers = {"ETag": self.etag, "Vary": "Accept-Encoding", **headers}
        tags = request.headers.get("if-none-match", "")
        if tags.strip() == "*" or self.etag.removeprefix("W/") in [
            tag.strip().removeprefix("W/") for tag in tags.split(",")
        ]:
            return Response(status_code=304, headers=headers)
        encoding = _best_encoding(request.headers.get("accept-encoding", ""))
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
        return Response(self.bodies[encoding], media_type=self.media_type, headers=headers)


def _best_encoding(accepted: str) -> str:
    offered: dict[str, float] = {}
    for item in accepted.lower().split(","):
        name, _, parameters = item.partition(";")
        quality = parameters.replace(" ", "").removeprefix("q=") or "1"
        offered[name.strip()] = float(quality) if quality.replace(".", "", 1).isdecimal() else 0.0
    return next((name for name in ("br", "gzip") if offered.get(name, 0.0) > 0), "identity")


# ---- pages

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def page(template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    """Render a template; an undefined name is an error."""
    text = TEMPLATES.get_template(template).render(**values)
    return HTMLResponse(text, status, headers={**PAGE_HEADERS, **(headers or {})})


# ---- errors

_BY_STATUS: dict[int, type[Problem]] = {404: NotFound, 405: MethodNotAllowed}


async def render_problem(request: Request, error: Exception) -> Response:
    """Problem+json for programs, a page for people; a fault of ours is logged and says nothing of the inside."""
    if isinstance(error, Problem):
        problem = error
    elif isinstance(error, HTTPException):
        problem = _BY_STATUS.get(error.status_code, BadRequest)(headers=error.headers)
    else:
        log.error("unexpected", path=request.url.path, exc_info=error)
        problem = Problem()
    if request.url.path.startswith(("/admin", "/s/")) and "text/html" in request.headers.get("accept", ""):
        return page("problem.html", status=problem.status, headers=problem.headers, problem=problem)
    headers = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*", **problem.headers}
    return json_response(problem.as_json(), problem.status, headers, media_type=PROBLEM_JSON)
