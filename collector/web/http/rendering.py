"""Pages: the templates, and the headers that every page of ours has."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from starlette.responses import HTMLResponse

from collector.surveys.personal import fill


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
