"""What ours is measured against: the least that a Starlette application does with the same request."""

from __future__ import annotations

import json
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SCRIPT = (Path(__file__).parent.parent.parent / "collector" / "web" / "static" / "widget" / "loader.js").read_bytes()[
    :3000
]


async def events(request: Request) -> Response:
    """Parse the JSON and answer 204; nothing is checked and nothing kept."""
    json.loads(await request.body())
    return Response(status_code=204)


async def script(request: Request) -> Response:
    """The same constant every time, with the headers that ours has."""
    headers = {"ETag": 'W/"0123456789abcdef"', "Cache-Control": "public, max-age=60", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(SCRIPT, media_type="text/javascript", headers=headers)


app = Starlette(routes=[Route("/w/{site}/events", events, methods=["POST"]), Route("/w/{site}.js", script)])
