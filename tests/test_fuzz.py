"""What nobody thought of: every call that the reference describes, and bodies that no browser sends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import select

from collector.db.schema import impressions, responses
from collector.web.api.rest import PREFIX
from collector.web.api.routes import ALL as ENDPOINTS
from tests.conftest import App, Process, add_site
from tests.events import JSON, impression, response
from tests.faults.times import times
from tests.postgres import Cluster
from tests.services import differences, in_app, services_of
from tests.stores import number_of

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str]]:
    """A collector on either database, and a token for it."""
    process = Process(tmp_path_factory.mktemp("fuzzed"))
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgres")
        process.environment["TEVREDEN_DATABASE_URL"] = cluster.create_database("fuzzed")
    token = process.command("token", "add", "tests")
    process.start()
    yield process, token
    assert process.stop() == 0, process.output.read_text()
    process.close()
    assert not re.search("Traceback|unexpected", process.output.read_text()), process.output.read_text()
    if request.param == "postgresql":
        cluster.drop_database("fuzzed")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_every_call_answers_as_the_reference_says(served: tuple[Process, str], endpoint: Any) -> None:
    process, token = served
    site = add_site(process.http, process.url, token)
    schema = schemathesis.openapi.from_dict(process.http.get(process.url + "/api/openapi.json").json())
    operation = schema[PREFIX + endpoint.path][endpoint.method]
    survey = site.publish()
    answer = response(survey)
    process.http.post(f"{process.url}/w/{site.key}/events", json={"events": [answer]})
    hook = site.call("POST", "/webhooks", {"url": "https://hook.invalid/"}).json()
    ids = [survey["id"], answer["id"], hook["id"], str(uuid4())]

    @settings(max_examples=times(4, 1000), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        case=st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode)),
        known=st.fixed_dictionaries({"id": st.sampled_from(ids), "delivery": st.sampled_from(ids)}),
        is_known=st.booleans(),
    )
    def call(case: Any, known: dict[str, str], is_known: bool) -> None:
        if is_known:  # what is there is never guessed
            there = {**known, "key": site.key}
            case.path_parameters = {name: there[name] for name in case.path_parameters or {}}
            case.query = {**(case.query or {}), "site": site.key}
        reply = case.call(base_url=process.url, headers={"Authorization": f"Bearer {token}"})
        case.validate_response(reply, checks=CHECKS)

    call()


def test_answer_that_the_reference_does_not_know_is_found(served: tuple[Process, str]) -> None:
    process, token = served
    document = process.http.get(process.url + "/api/openapi.json").json()
    del document["paths"][PREFIX + "/sites"]["get"]["responses"]["200"]
    case = schemathesis.openapi.from_dict(document)[PREFIX + "/sites"]["GET"].Case()
    reply = case.call(base_url=process.url, headers={"Authorization": f"Bearer {token}"})
    with pytest.raises(FailureGroup):
        case.validate_response(reply, checks=CHECKS)


# ---- events


ODD = st.sampled_from(
    [
        *("", "\x00", "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "\r\n", "__proto__", "' OR 1=1"),
        *("e\u0301" * 50, "\ufdfa" * 600, "\U0001f469\u200d\U0001f467" * 40),
    ]
)
VALUES = JSON | ODD | st.sampled_from([2**31, 2**63, -(2**63), 10**30, 1e308, -0.0, 5e-324, True, [], {}, "4"])
MORE = ["id", "type", "survey", "revision", "state", "score", "comment", "email", "complete", "identity", "page"]
MORE += ["language", "impression", "automated", "touch", "constructor", ""]


@settings(max_examples=times(40, 20_000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_events_are_stored_whole_or_not_at_all(app: App, data: st.DataObject) -> None:
    survey = app.site.publish()
    shown, given_ = impression(survey), response(survey)
    kinds = st.sampled_from([shown, {**shown, "type": "dismissal"}, given_, {**given_, "impression": shown["id"]}])
    changes = st.dictionaries(st.sampled_from(MORE), VALUES, max_size=3)
    events = data.draw(st.lists(st.tuples(kinds, st.booleans(), changes), max_size=4))
    sent: list[Any] = [{**kind, **({"id": str(uuid4())} if new else {}), **change} for kind, new, change in events]
    sent += data.draw(st.lists(VALUES, max_size=1))
    body = json.dumps({"events": sent, **data.draw(st.dictionaries(st.sampled_from(["visitor", "anonymous"]), VALUES))})
    spoilt = spoil(body.encode(), data)
    reply = app.client.post(f"/w/{app.site.key}/events", content=spoilt, headers=data.draw(HEADERS))
    assert reply.status_code in (200, 400, 404, 409, 413, 422), reply.text
    stored = reply.json()["stored"] if reply.status_code == 200 else []
    assert all(str(UUID(one)) == one for one in stored)
    check_stored(app, survey, set(stored))


HEADERS = st.dictionaries(
    st.sampled_from([b"User-Agent", b"Content-Type", b"Origin", b"Referer", b"Accept-Language"]),
    st.binary(max_size=40).map(lambda value: bytes(byte for byte in value if byte > 31 and byte != 127)),
    max_size=3,
)


def spoil(body: bytes, data: st.DataObject) -> bytes:
    """Now and then some bytes that are not JSON, or not UTF-8."""
    if data.draw(st.sampled_from([True, True, False])):
        return body
    at, length = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 5))
    return body[:at] + data.draw(st.binary(max_size=6)) + body[at + length :]


def check_stored(app: App, survey: dict[str, Any], stored: set[str]) -> None:
    """What was said to be stored is there, and nothing else; only an impression that an answer names comes with it."""

    async def read() -> tuple[set[str], set[str], set[str]]:
        async with services_of(app).database.read() as connection:
            mine = await number_of(connection, survey)
            shown = await connection.execute(select(impressions.c.id).where(impressions.c.survey_number == mine))
            given_ = (
                await connection.execute(
                    select(responses.c.id, responses.c.impression_id).where(responses.c.survey_number == mine)
                )
            ).all()
            named = {str(row.impression_id) for row in given_ if row.impression_id}
            return {str(one) for one in shown.scalars()}, {str(row.id) for row in given_}, named

    shown, given_, named = in_app(app, read)
    assert given_ | (shown - named) <= stored <= given_ | shown
    assert named <= shown
    assert differences(app) == []
