"""The REST interface."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import jsonschema
import pytest

from collector.web.api.rest import PREFIX
from collector.web.api.routes import ALL as ENDPOINTS
from tests.conftest import App
from tests.events import impression, response

DOCUMENT = {"name": "A", "metric": "csat", "question": "Q?"}


def create(app: App, **change: Any) -> dict[str, Any]:
    made = app.site.call("POST", "/surveys", {**DOCUMENT, **change})
    assert made.status_code == 201, made.text
    survey: dict[str, Any] = made.json()
    return survey


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.handler.__name__)
@pytest.mark.parametrize("header", [None, "Bearer", "Bearer tvr_wrong", "Basic dXNlcg=="])
def test_every_call_needs_a_valid_token(app: App, endpoint: Any, header: str | None) -> None:
    path = PREFIX + endpoint.path.replace("{id}", str(uuid4())).replace("{key}", app.site.key).replace(
        "{delivery}", str(uuid4())
    )
    reply = app.client.request(endpoint.method, path, headers={"Authorization": header} if header else {})
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.headers["content-type"] == "application/problem+json"


def test_survey_lives_from_draft_to_archive(app: App) -> None:
    survey = create(app)
    path = f"/surveys/{survey['id']}"
    assert (survey["status"], survey["revision"], survey["site"]) == ("draft", None, app.site.key)
    assert app.site.call("POST", path + "/pause").status_code == 409

    published = app.site.call("POST", path + "/publish").json()
    assert (published["status"], published["revision"]) == ("published", 1)
    changed = app.site.call("PUT", path, {**DOCUMENT, "question": "Other?"}).json()
    assert (changed["status"], changed["revision"], changed["document"]["question"]) == ("published", 1, "Other?")
    assert app.site.call("POST", path + "/publish").json()["revision"] == 2
    assert app.site.call("POST", path + "/publish").json()["revision"] == 2, "nothing changed, nothing frozen"

    assert app.site.call("POST", path + "/pause").json()["status"] == "paused"
    assert app.site.call("POST", path + "/publish").json()["status"] == "published"
    assert app.site.call("POST", path + "/archive").json()["status"] == "archived"
    for verb in ("publish", "pause"):
        assert app.site.call("POST", f"{path}/{verb}").status_code == 409
    assert app.site.call("PUT", path, DOCUMENT).status_code == 409
    assert app.site.call("GET", path).json()["status"] == "archived"


def test_script_follows_each_step_at_once(app: App) -> None:
    survey = create(app)

    def live() -> bool:
        return survey["key"] in app.client.get(f"/w/{app.site.key}.js").text

    assert not live()
    for verb, there in (("publish", True), ("pause", False), ("publish", True), ("archive", False)):
        app.site.call("POST", f"/surveys/{survey['id']}/{verb}")
        assert live() == there, verb


@pytest.mark.parametrize("change", [{"delivery": "link"}, {"metric": "nps"}, {"scale": 7}])
def test_what_answers_rest_on_cannot_change_after_the_first_publish(app: App, change: dict[str, Any]) -> None:
    survey = create(app)
    assert app.site.call("PUT", f"/surveys/{survey['id']}", {**DOCUMENT, **change}).status_code == 200
    assert app.site.call("PUT", f"/surveys/{survey['id']}", DOCUMENT).status_code == 200
    app.site.call("POST", f"/surveys/{survey['id']}/publish")
    reply = app.site.call("PUT", f"/surveys/{survey['id']}", {**DOCUMENT, **change})
    assert reply.status_code == 409
    assert "Duplicate the survey" in reply.json()["detail"]


def test_names_are_unique_on_a_site(app: App) -> None:
    survey, other = create(app), create(app, name="B")
    for reply in (
        app.site.call("POST", "/surveys", DOCUMENT),
        app.site.call("PUT", f"/surveys/{other['id']}", DOCUMENT),
    ):
        assert reply.status_code == 409
        assert reply.json()["errors"] == [
            {"at": "/name", "detail": "another survey of this site already has this name"}
        ]
    assert app.site.call("PUT", f"/surveys/{survey['id']}", {**DOCUMENT, "question": "New?"}).status_code == 200


def test_clone_is_a_new_draft_under_a_free_name(app: App) -> None:
    survey = app.site.publish(name="Quarterly")
    names = [app.site.call("POST", f"/surveys/{survey['id']}/clone").json() for _ in range(2)]
    assert [one["name"] for one in names] == ["Quarterly (2)", "Quarterly (3)"]
    assert {one["status"] for one in names} == {"draft"}
    assert app.site.call("POST", f"/surveys/{names[1]['id']}/clone").json()["name"] == "Quarterly (4)"


def test_deleted_survey_is_gone_whatever_it_was(app: App) -> None:
    for survey in (create(app), app.site.publish()):
        path = f"/surveys/{survey['id']}"
        assert app.site.call("DELETE", path).status_code == 204
        assert app.site.call("GET", path).status_code == 404
        assert app.site.call("POST", f"{path}/publish").status_code == 404
        assert app.site.call("DELETE", path).status_code == 404
    assert app.site.call("GET", "/surveys").json()["items"] == []
    assert "How satisfied" not in app.client.get(f"/w/{app.site.key}.js").text


def test_another_sites_things_are_not_there(app: App) -> None:
    survey = app.site.publish()
    app.send(response(survey))
    (stored,) = app.site.responses()
    header = {"Authorization": f"Bearer {app.site.token}"}
    other = app.client.post("/api/v1/sites", json={"name": "Other"}, headers=header).json()["key"]
    for method, path in (
        ("GET", f"/surveys/{survey['id']}"),
        ("PUT", f"/surveys/{survey['id']}"),
        ("DELETE", f"/surveys/{survey['id']}"),
        ("POST", f"/surveys/{survey['id']}/publish"),
        ("GET", f"/surveys/{survey['id']}/results"),
        ("GET", f"/responses/{stored['id']}"),
        ("DELETE", f"/responses/{stored['id']}"),
    ):
        body = DOCUMENT if method == "PUT" else None
        reply = app.client.request(method, f"/api/v1{path}?site={other}", json=body, headers=header)
        assert reply.status_code == 404, (method, path)
    assert app.client.get(f"/api/v1/responses?site={other}", headers=header).json()["items"] == []
    nameless = app.client.get("/api/v1/surveys", headers=header)
    assert nameless.status_code == 422
    assert "There are 2 sites" in nameless.json()["detail"]


def test_sites(app: App) -> None:
    header = {"Authorization": f"Bearer {app.site.token}"}
    listed = app.client.get("/api/v1/sites", headers=header).json()
    assert [one["key"] for one in listed["items"]] == [app.site.key]
    one = app.client.get(f"/api/v1/sites/{app.site.key}", headers=header).json()
    assert one == listed["items"][0]
    assert one["tag"] == f'<script async src="http://127.0.0.1:8000/w/{app.site.key}.js"></script>'
    assert app.client.get("/api/v1/sites/nosuch", headers=header).status_code == 404
    refused: list[Any] = [
        {},
        {"name": ""},
        {"name": 5},
        {"name": "x" * 201},
        {"name": "A", "b": 1},
        {"name": "a\nb"},
        {"name": "\ud800"},
        [],
    ]
    for wrong in refused:
        reply = app.client.post("/api/v1/sites", content=json.dumps(wrong), headers=header)
        assert reply.status_code == 422, wrong
    taken = app.client.post("/api/v1/sites", json={"name": one["name"]}, headers=header)
    assert taken.status_code == 409


def test_wrong_document_is_refused_and_not_stored(app: App) -> None:
    reply = app.site.call("POST", "/surveys", {**DOCUMENT, "appearance": {"color": "mauve"}, "quesiton": "?"})
    assert reply.status_code == 422
    assert {error["at"] for error in reply.json()["errors"]} == {"/appearance/color", "/quesiton"}
    assert app.site.call("GET", "/surveys").json()["items"] == []


@pytest.mark.parametrize(
    ("query", "at"),
    [
        ({"group": "happy"}, "?group"),
        ({"survey": "x"}, "?survey"),
        ({"commented": "maybe"}, "?commented"),
        ({"since": "yesterday"}, "?since"),
        ({"since": "2026-01-01"}, "?since"),
        ({"until": "9999999"}, "?until"),
        ({"limit": "0"}, "?limit"),
        ({"limit": "201"}, "?limit"),
        ({"limit": "1e3"}, "?limit"),
        ({"cursor": "x"}, "?cursor"),
        ({"cursor": "WzEsMl0"}, "?cursor"),
        ({"cursor": "W1tb" * 100}, "?cursor"),
        ({"grup": "negative"}, "?grup"),
    ],
)
def test_wrong_filter_is_refused(app: App, query: dict[str, str], at: str) -> None:
    reply = app.site.call("GET", "/responses", **query)
    assert reply.status_code == 422, reply.text
    assert reply.json()["errors"][0]["at"] == at


def test_responses_are_filtered_and_paged(app: App) -> None:
    survey, other = app.site.publish(), app.site.publish()
    for score in (1, 3, 5, 5):
        app.send(response(survey, score=score, **({"comment": "!"} if score == 1 else {})))
    app.send(response(other, score=2), headers={"User-Agent": "curl/8"})
    assert [one["score"] for one in app.site.responses(survey=survey["id"])] == [5, 5, 3, 1]
    assert [one["score"] for one in app.site.responses(group="negative")] == [2, 1]
    assert [one["score"] for one in app.site.responses(commented="true")] == [1]
    assert [one["score"] for one in app.site.responses(bot="true")] == [2]
    moment = app.site.responses()[2]["created_at"]
    assert len(app.site.responses(since="2000-01-01T00:00:00Z")) == 5
    assert app.site.responses(until="2000-01-01T00:00:00+02:00") == []
    assert moment.endswith("Z")

    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        part = app.site.call("GET", "/responses", limit=2, **cursor).json()
        seen += [one["id"] for one in part["items"]]
        if part["next"] is None:
            break
        cursor = {"cursor": part["next"]}
    assert len(seen) == len(set(seen)) == 5


def test_response_is_read_and_removed(app: App) -> None:
    survey = app.site.publish()
    app.send(impression(survey), response(survey))
    (stored,) = app.site.responses()
    assert app.site.call("GET", f"/responses/{stored['id']}").json() == stored
    assert app.site.call("DELETE", f"/responses/{stored['id']}").status_code == 204
    assert app.site.call("DELETE", f"/responses/{stored['id']}").status_code == 404
    assert app.site.results(survey)["counts"]["scores"] == 0


def test_results(app: App) -> None:
    survey = app.site.publish(metric="nps")
    assert app.site.results(survey)["headline"]["value"] is None
    app.send(*(response(survey, score=score) for score in (10, 9, 8, 0)))
    results = app.site.results(survey)
    assert results["headline"]["value"] == 25.0
    assert results["headline"]["groups"] == {"negative": 1, "neutral": 1, "positive": 2}
    assert [one["count"] for one in results["distribution"]] == [1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]


def test_openapi_describes_every_call(app: App) -> None:
    described = app.client.get("/api/openapi.json").json()
    assert described["openapi"] == "3.1.0"
    routes = [one for one in app.client.app.routes if one.path.startswith(f"{PREFIX}/")]  # type: ignore[attr-defined]
    answered = {(method, one.path.replace(":uuid", "")) for one in routes for method in one.methods - {"HEAD"}}
    assert {(method.upper(), path) for path, methods in described["paths"].items() for method in methods} == answered
    assert {path.split("/")[3] for _, path in answered} == {"sites", "surveys", "responses", "webhooks"}
    survey = app.site.publish()
    app.send(response(survey))
    components = {"components": described["components"]}
    for name, value in (
        ("SurveyList", app.site.call("GET", "/surveys").json()),
        ("ResponseList", app.site.call("GET", "/responses").json()),
        ("ResultsResource", app.site.results(survey)),
        ("Problem", app.site.call("GET", "/surveys/" + str(uuid4())).json()),
    ):
        jsonschema.validate(value, {"$ref": f"#/components/schemas/{name}", **components})
    assert app.client.get("/api/survey.schema.json").json()["$id"] == "urn:tevreden:schema:survey"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nosuch", 404),
        ("GET", "/api/v1/nosuch", 404),
        ("GET", "/api/v1/surveys/7", 404),
        ("PATCH", "/api/v1/surveys", 405),
        ("GET", "/w/nosuch.js", 404),
        ("GET", "/w/ui-000000.js", 404),
        ("GET", "/w/nosuch/events", 405),
        ("GET", "/s/no-such", 404),
        ("GET", "/s/no-such.js", 404),
        ("GET", "/static/nosuch.css", 404),
        ("GET", "/static/..%2f..%2fapp.py", 404),
        ("GET", "/demo/", 404),
        ("GET", "/w/%00.js", 404),
    ],
)
def test_what_is_not_there_is_a_problem_of_its_own(app: App, method: str, path: str, status: int) -> None:
    reply = app.client.request(method, path)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["status"] == status
