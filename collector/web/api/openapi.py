"""A thin OpenAPI 3.1 builder: the table of endpoints and the models' JSON Schemas, put together."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector import __version__
from collector.errors import (
    BadRequest,
    Changed,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from collector.web.http.packed import PROBLEM_JSON

DESCRIPTION = """\
Press **Authorize** and paste an API token to send requests from this page. Create one in the admin, or with
`tevreden token add NAME`; programs send it as `Authorization: Bearer TOKEN`.

- Bodies are JSON, times RFC 3339 in UTC, lists `{"items": […], "next": CURSOR | null}`.
- Errors are `application/problem+json` (RFC 9457) with a stable `type`, and name each place that is wrong.
- With more than one site, add `?site=KEY` to every call on surveys, responses and webhooks.
- Surveys have an `ETag`. Send it as `If-Match`, so that you never overwrite someone else's change.
"""
TAGS = {
    "sites": "Websites that carry the tag, and their settings.",
    "surveys": "Create, change, publish and pause surveys, and read their results.",
    "responses": "Read and delete single responses.",
    "webhooks": "Send every new response to an address of yours.",
}
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457; type is stable.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "pattern": "^urn:tevreden:problem:", "examples": ["urn:tevreden:problem:conflict"]},
        "title": {"type": "string", "examples": ["Not possible at the moment"]},
        "status": {"type": "integer", "examples": [409]},
        "detail": {"type": "string"},
        "permanent": {"type": "boolean", "description": "Sending the same request again cannot succeed."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["at", "detail"],
                "properties": {
                    "at": {"type": "string", "description": "A JSON Pointer into the body, or ?NAME of the query."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


PROBLEMS = {
    kind.status: kind
    for kind in (BadRequest, Unauthorized, Forbidden, NotFound, Conflict, Changed, TooLarge, Invalid, Unavailable)
}
"""What calls may answer with, by its status."""


@dataclass(frozen=True)
class Query:
    """One parameter of the query string, or one header."""

    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """One address and method. ``body`` and ``returns`` are models; ``returns`` None means 204 with no body."""

    method: str
    path: str
    handler: Callable[[Request], Awaitable[Response]]
    summary: str
    returns: type[BaseModel] | None
    body: type[BaseModel] | None = None
    status: int = 200
    query: tuple[Query, ...] = ()
    headers: tuple[Query, ...] = ()
    problems: tuple[int, ...] = ()

    def route(self, prefix: str) -> Route:
        path = self.path.replace("{id}", "{id:uuid}").replace("{delivery}", "{delivery:uuid}")
        return Route(prefix + path, self.handler, methods=[self.method])


def openapi(endpoints: Sequence[Endpoint], prefix: str, server: str) -> dict[str, Any]:
    """The document that describes these endpoints."""
    bodies = {endpoint.body for endpoint in endpoints if endpoint.body}
    answers = {endpoint.returns for endpoint in endpoints if endpoint.returns}
    ordered = [(model, "validation") for model in sorted(bodies, key=lambda m: m.__name__)] + [
        (model, "serialization") for model in sorted(answers, key=lambda m: m.__name__)
    ]
    mapping, definitions = models_json_schema(ordered, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation: dict[str, Any] = {
            "summary": endpoint.summary,
            "operationId": endpoint.handler.__name__,
            "tags": [endpoint.path.split("/")[1]],
            "parameters": [*_path_parameters(endpoint.path), *_named(endpoint)],
            "responses": {str(endpoint.status if endpoint.returns else 204): {"description": "OK."}},
        }
        if endpoint.returns:
            schema = mapping[endpoint.returns, "serialization"]
            operation["responses"][str(endpoint.status)]["content"] = {"application/json": {"schema": schema}}
        if endpoint.body:
            schema = mapping[endpoint.body, "validation"]
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        problems = {401, 503, *endpoint.problems, *({400, 413, 422} if endpoint.body else ())}
        problems |= {400, 412} if endpoint.headers else set()
        for status in sorted(problems):
            operation["responses"][str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
        paths.setdefault(prefix + endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tevreden",
            "version": __version__,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Problem": PROBLEM_SCHEMA},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Created by `tevreden token add NAME`."}
            },
            "responses": {f"Problem{status}": _problem(status) for status in sorted(PROBLEMS)},
        },
    }


def _problem(status: int) -> dict[str, Any]:
    """What is answered with a status, with an example."""
    kind = PROBLEMS[status]
    example = {"type": f"urn:tevreden:problem:{kind.code}", "title": kind.title, "status": status}
    if status == Invalid.status:
        example["errors"] = [{"at": "/appearance/color", "detail": "must be a colour as #rgb or #rrggbb"}]
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    return {"description": kind.title + ".", "content": {PROBLEM_JSON: content}}


_NAMED_IN_PATHS = {"id": "Its ID.", "key": "The site's key.", "delivery": "The delivery's ID."}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _NAMED_IN_PATHS[name],
            "schema": {"type": "string"} if name == "key" else {"type": "string", "format": "uuid"},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _named(endpoint: Endpoint) -> list[dict[str, Any]]:
    """What a call takes by name, in its address or its head."""
    places = [("query", one) for one in endpoint.query] + [("header", one) for one in endpoint.headers]
    return [{"name": one.name, "in": at, "description": one.description, "schema": one.schema} for at, one in places]
