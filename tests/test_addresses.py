"""What an address answers beside what it is for: with a slash, another Host, another method, once it is closed."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from starlette.routing import Route

from collector.errors import Invalid
from collector.surveys.document import json_schema, read_document
from collector.web.admin.results import attachment
from tests.conftest import App


@pytest.mark.parametrize("host", ["collector.test", "evil.example"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin/"),
        ("POST", "/api/v1/surveys/"),
        ("GET", "/api/v1/sites/"),
        ("GET", "/api/"),
        ("GET", "/readyz/"),
    ],
)
def test_slash_at_the_end_leads_nowhere_else(app: App, host: str, method: str, path: str) -> None:
    headers = {"Host": host, "Authorization": f"Bearer {app.site.token}"}
    reply = app.client.request(method, path, headers=headers, json={} if method == "POST" else None)
    if path == "/admin/":
        assert (reply.status_code, reply.headers["location"]) == (307, "/admin")
    else:
        assert (reply.status_code, "location" in reply.headers) == (404, False)


def test_no_answer_leads_to_where_the_host_of_a_request_says(owner: App) -> None:
    for route in owner.client.app.routes:  # type: ignore[attr-defined]
        path = re.sub(r"{[^}]*}", "x", route.path)
        for each in (path, path + "/"):
            reply = owner.client.get(each, headers={"Host": "evil.example"})
            assert "evil.example" not in reply.headers.get("location", ""), each


def test_method_that_an_address_lacks_is_told_those_it_has(app: App) -> None:
    """Over every address: one may have several routes."""
    methods: dict[str, set[str]] = {}
    for route in app.client.app.routes:  # type: ignore[attr-defined]
        if isinstance(route, Route):
            methods.setdefault(route.path, set()).update(route.methods or ())
    several = 0
    for path, its in methods.items():
        filled = re.sub(r"{\w+:uuid}", "0199f3c2-0000-7000-8000-000000000000", path)
        filled = re.sub(r"{\w+(:path)?}", "x", filled)
        reply = app.client.request("PATCH", filled)
        if reply.status_code == 405:
            assert its <= set(reply.headers["allow"].split(", ")), path
            several += len(its - {"HEAD"}) > 1
    assert several > 5
    assert app.client.patch("/api/v1/surveys").headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("act", ["pause", "archive"])
def test_survey_that_is_closed_shows_nothing_of_its_question(app: App, act: str) -> None:
    survey = app.site.publish(question="Is the secret out?")
    path = f"/s/{app.site.key}-{survey['key']}"
    assert "<title>Is the secret out?</title>" in app.client.get(path).text
    app.site.call("POST", f"/surveys/{survey['id']}/{act}")
    reply = app.client.get(path)
    assert reply.status_code == 410
    assert "secret" not in reply.text


@pytest.mark.parametrize(
    ("name", "plain", "own"),
    [
        ("Après / checkout", "apres-checkout", "après-checkout"),
        ("Über uns – Zufriedenheit", "uber-uns-zufriedenheit", "über-uns-zufriedenheit"),
        ("Опрос", "abc", "опрос"),
        ("満足度 2026", "2026", "満足度-2026"),
        ("Shop", "shop", None),
        ('"; filename=x\r\nSet-Cookie: a', "filename-x-set-cookie-a", None),
        ("👩‍👩‍👧", "abc", None),
        ("é" * 200, "e" * 90, "é" * 90),
    ],
)
def test_file_is_named_in_the_letters_of_the_survey(name: str, plain: str, own: str | None) -> None:
    header = attachment(name, "abc", "csv")
    assert header.isascii()
    assert f'filename="{plain}.csv"' in header
    found = re.findall(r"filename\*=UTF-8''(\S+)", header)
    assert [unquote(one) for one in found] == ([f"{own}.csv"] if own else [])


LINKS: list[Any] = [
    "https://shop.example/a?b=c#d",
    "http://user@shop.example:8080",
    "https://[::1]/x",
    "shop.example",
    "javascript:alert(1)",
    "https://",
    "https:///x",
    "https://:80/",
    "https://a b.example",
    "ftp://shop.example",
    "//shop.example",
    "https://shop.example/a b",
    "",
]
PATTERNS: list[Any] = [
    "*",
    "shop.example/*",
    "/order/*",
    "https://shop.example",
    "",
    " ",
    "a b",
    "a\\b",
    "ftp://x/*",
    "://x",
]


@pytest.mark.parametrize(
    ("place", "values"), [("link", LINKS), ("image", [*LINKS, True, False]), ("include", PATTERNS)]
)
def test_schema_refuses_what_the_reader_refuses(place: str, values: list[Any]) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    verdicts = []
    for value in values:
        part: dict[str, Any] = {"where": {"include": [value]}}
        if place != "include":
            part = {"thank_you": {"positive": {place: value}}}
        document = {"name": "x", "metric": "csat", "question": "?", **part}
        try:
            read_document(json.loads(json.dumps(document)))
            read = True
        except Invalid:
            read = False
        assert validator.is_valid(document) is read, value
        verdicts.append(read)
    assert True in verdicts
    assert False in verdicts
