"""The one place that renders errors: problem+json for programs, a page for people."""

from __future__ import annotations

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from collector.errors import BadRequest, MethodNotAllowed, NotFound, Problem, SignInNeeded
from collector.web.http.auth import lead_to_sign_in
from collector.web.http.packed import problem_answer, response_of
from collector.web.http.rendering import page

log = structlog.get_logger()

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
    if isinstance(problem, SignInNeeded):
        return lead_to_sign_in(request)
    if request.url.path.startswith(("/admin", "/s/")) and "text/html" in request.headers.get("accept", ""):
        home = "/admin" if request.url.path.startswith("/admin") else ""
        return page("problem.html", status=problem.status, headers=problem.headers, problem=problem, home=home)
    return response_of(*problem_answer(problem))
