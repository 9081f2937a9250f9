"""What comes in: bodies with a limit on their size, JSON with limits on its shape; and JSON that goes out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from starlette.requests import Request

from collector.errors import BadRequest
from collector.web.http.direct import MOST_BYTES, Body

MOST_DOCUMENT_BYTES = 512 * 1024
"""The largest document; any other body may have `MOST_BYTES`."""
DEEPEST = 32
"""Levels of brackets in a JSON body."""


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
            raise BadRequest("The body is incomplete.")
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
        raise BadRequest(f"The body is not usable JSON: {error}.") from None


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
        raise ValueError(f"duplicate key {twice[:100]!r}")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
_SCAN: Callable[[str, int], tuple[Any, int]] = vars(_DECODER)["scan_once"]


async def read_json(request: Request, most: int = MOST_BYTES) -> Any:
    return parse_json(await read_body(request, most))
