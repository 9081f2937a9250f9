"""The admin's pages."""

from __future__ import annotations

import csv
import io
import re
import time
import unicodedata
from datetime import UTC, datetime
from statistics import median
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from collector.access import accounts
from collector.db import schema
from collector.results.exports import _csv_line, _no_formula
from collector.web.admin import signing_in as admin_access
from collector.web.admin.results import STOP_POLLING
from collector.web.http import problems
from tests.conftest import ORIGIN, PASSWORD, SLOW, USER, App, sign_in
from tests.events import response
from tests.pages import plain
from tests.signed_in import EVIL, admin_routes


@pytest.mark.parametrize("path", ["/admin/sites", "/admin/abc/0199f3c2-0000-7000-8000-000000000000"])
def test_nobody_sees_a_page_without_signing_in(app: App, path: str) -> None:
    for suffix in ("", "/responses.csv") if path.count("/") > 2 else ("",):
        reply = app.client.get(path + suffix)
        assert (reply.status_code, reply.headers["location"]) == (303, "/admin/sign-in")


def test_sign_in_and_out(app: App) -> None:
    assert "<h1>Sign in</h1>" in app.client.get("/admin/sign-in").text
    reply = sign_in(app)
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert app.client.get("/admin/sites").status_code == 200
    assert app.client.get("/admin/sign-in").status_code == 303
    kept = dict(app.client.cookies)
    assert app.client.post("/admin/sign-out", headers=ORIGIN).status_code == 303
    app.client.cookies.update(kept)
    assert app.client.get("/admin/sites").status_code == 303, "the session is dead, not only the cookie"


@pytest.mark.parametrize(
    ("email", "password"), [(USER, "wrong"), ("nobody@example.com", PASSWORD), ("", ""), (USER, "")]
)
def test_wrong_sign_in_is_told_without_saying_what_was_wrong(app: App, email: str, password: str) -> None:
    reply = sign_in(app, email, password)
    assert reply.status_code == 401
    assert "do not belong together" in reply.text
    assert "set-cookie" not in reply.headers


def test_passwords_are_hashed_as_hard_as_owasp_asks() -> None:
    hasher, _ = SLOW
    assert (hasher.memory_cost, hasher.time_cost) >= (19 * 1024, 2)


@pytest.mark.slow
@pytest.mark.parametrize("password", ["guess", ""])
def test_unknown_account_takes_the_processor_as_long_as_a_known_one(
    app: App, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """The whole of a sign-in that is refused, an account of single sign-on alone among them."""
    hasher, nobody = SLOW
    monkeypatch.setattr(accounts, "_hasher", hasher)
    monkeypatch.setattr(accounts, "_NOBODY", nobody)

    async def prepare(connection: Any) -> None:
        await connection.execute(schema.users.update().values(password_hash=hasher.hash(PASSWORD)))
        await accounts.add_user(connection, "sso@example.com", accounts.NO_PASSWORD, now=datetime.now(UTC))

    store = app.client.app.state.services.database  # type: ignore[attr-defined]

    async def run() -> None:
        async with store.write() as connection:
            await prepare(connection)

    assert app.client.portal
    app.client.portal.call(run)
    spent: dict[str, list[float]] = {USER: [], "sso@example.com": [], "nobody@example.com": []}
    for _ in range(7):
        for email, times in spent.items():
            began = time.process_time()
            assert sign_in(app, email, password).status_code == 401
            times.append(time.process_time() - began)
    known, elsewhere, unknown = (median(times[1:]) for times in spent.values())
    assert 0.8 < unknown / known < 1.25
    assert 0.8 < elsewhere / known < 1.25
    assert known > 0.01, "it is the real one that was measured"


def test_guessing_is_slowed_per_account(app: App) -> None:
    for _ in range(12):
        assert sign_in(app).status_code == 303, "who knows the password is not slowed"
    for _ in range(10):
        assert sign_in(app, password="guess").status_code == 401
    reply = sign_in(app)
    assert reply.status_code == 429
    assert reply.headers["retry-after"] == "900"
    assert sign_in(app, "other@example.com", "guess").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Origin": "", "Host": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_form_from_another_site_is_refused(app: App, headers: dict[str, str]) -> None:
    assert sign_in(app, **headers).status_code == 403


def test_forged_session_is_nobody(app: App) -> None:
    app.client.cookies.set("tevreden-session", "forged.signature")
    assert app.client.get("/admin/sites").status_code == 303


def test_pages_run_no_script_but_ours(owner: App) -> None:
    policy = owner.client.get("/admin/sites").headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_overview_says_what_to_do_when_there_is_nothing(owner: App) -> None:
    reply = owner.client.get("/admin")
    assert (reply.status_code, reply.headers["location"]) == (303, f"/admin/{owner.site.key}")
    text = owner.client.get(reply.headers["location"]).text
    assert "Create survey" in text
    assert f"/w/{owner.site.key}.js" in text
    assert "No surveys yet" in owner.client.get(f"/admin/{owner.site.key}/surveys").text


def test_results_page_shows_figures_and_answers(owner: App) -> None:
    survey = owner.site.publish(name="After checkout")
    page = f"/admin/{owner.site.key}/{survey['id']}"
    assert "No responses in these days" in owner.client.get(page).text
    for score, comment in ((5, "Lovely"), (4, None), (4, None), (1, "Too slow")):
        owner.send(response(survey, score=score, comment=comment, email="jo@example.com" if score == 5 else None))
    owner.send(response(survey, score=1, automated=True))
    at = f"/admin/{owner.site.key}"
    for path in (f"{at}/surveys", at):
        assert "75 %" in owner.client.get(path).text
    text = plain(owner.client.get(page).text)
    for wanted in ("75 %", "Responses 4", "75–85 %", "1 response of robots or automated browsers is not counted"):
        assert wanted in text, wanted
    for path in (f"{at}/responses", f"{page}/responses"):
        text = plain(owner.client.get(path).text)
        for wanted in ("Lovely", "Too slow", "jo@example.com"):
            assert wanted in text, wanted


@pytest.mark.parametrize(
    ("metric", "scores", "figure"), [("nps", (10, 10, 0), "+33"), ("nps", (0, 1), "−100"), ("ces", (7, 6, 4), "5.7")]
)
def test_figures_are_written_as_the_field_writes_them(
    owner: App, metric: str, scores: tuple[int, ...], figure: str
) -> None:
    survey = owner.site.publish(metric=metric)
    owner.send(*(response(survey, score=score) for score in scores))
    assert f'<span class="figure">{figure}</span>' in owner.client.get(f"/admin/{owner.site.key}/{survey['id']}").text


@pytest.mark.parametrize("evil", EVIL)
def test_what_visitors_typed_is_text(owner: App, evil: str) -> None:
    survey = owner.site.publish(name=f"Name {evil}", question=f"Question {evil}")
    address = f"{evil.replace(' ', '').replace('@', '')[:40]}@example.com"
    reply = owner.send(
        response(survey, comment=evil, page=f"https://x.example/{evil}", email=address), headers={"User-Agent": evil}
    )
    assert reply.status_code == 200
    for path in ("/admin/sites", f"/admin/{owner.site.key}/surveys", f"/admin/{owner.site.key}/{survey['id']}"):
        text = owner.client.get(path).text
        assert evil not in text
    owned = owner.client.get(f"/s/{owner.site.key}-{survey['key']}").text
    assert evil not in owned


def test_csv_has_every_answer_and_no_formula(owner: App) -> None:
    survey = owner.site.publish(name="Após / checkout")
    comments = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", 'He said "hi",\nand left', "Ünï", None]
    for comment in comments:
        owner.send(response(survey, comment=comment))
    reply = owner.client.get(f"/admin/{owner.site.key}/{survey['id']}/responses.csv")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"].startswith('attachment; filename="apos-checkout.csv"')
    rows = list(csv.DictReader(io.StringIO(reply.content.decode("utf-8-sig"), newline="")))
    stripped = [(comment or "").strip() for comment in comments]
    wanted = ["'" + text if text[:1] in ("=", "+", "-", "@") else text for text in stripped]
    assert [row["comment"] for row in rows] == wanted
    assert rows[0]["score"] == "4"
    assert rows[0]["created_at"].endswith("Z")


@pytest.mark.parametrize(
    ("comment", "cell"),
    [
        ("x;=1+1;y", "x;'=1+1;y"),  # what separates cells where a comma separates decimals
        ("x\n-1", "x\n'-1"),
        ("x\t@SUM(A1)", "x\t'@SUM(A1)"),
        ("all good ;-)", "all good ;-)"),
        ("no good ;-( and late", "no good ;'-( and late"),
        ("no good ;-(", "no good ;'-("),  # another column may hold what closes it
        ("1 - 1 = 0; fine, @you", "1 - 1 = 0; fine, @you"),
        ("a pro/con list: cheap, quick | far - and dear", "a pro/con list: cheap, quick | far - and dear"),
        ("-(cmd|' /C calc'!A0)", "'-(cmd|' /C calc'!A0)"),
        ('-(HYPERLINK("http://evil.example","x"))', '\'-(HYPERLINK("http://evil.example","x"))'),
        ("x;-(cmd|' /C calc'!A0)", "x;'-(cmd|' /C calc'!A0)"),
        ('x;"=1+1"', 'x;\'"=1+1"'),
        ('"=1+1"', '\'"=1+1"'),
        ("x; =1+1", "x;' =1+1"),
        ("x|=1+1", "x|'=1+1"),
        ("x,=1+1", "x,'=1+1"),
        ("x,-2+cmd|'/C calc'!A0", "x,'-2+cmd|'/C calc'!A0"),
        ("＝1+1", "'＝1+1"),
        ("＋1", "'＋1"),
        ("－1+1", "'－1+1"),
        ("＠SUM(1)", "'＠SUM(1)"),
        ("−1+1", "'−1+1"),
        ("\u200b=1+1", "'\u200b=1+1"),
        ("\ufeff=1+1", "'\ufeff=1+1"),
        ("\ufe0f=1+1", "'\ufe0f=1+1"),
        ("\u202e=1+1", "'\u202e=1+1"),
        ("＇=1+1", "'＇=1+1"),
        ("x\u2028=1+1", "x\u2028'=1+1"),
    ],
)
def test_csv_has_no_formula_in_whatever_language_it_is_opened(owner: App, comment: str, cell: str) -> None:
    survey = owner.site.publish()
    sent = owner.send(response(survey, comment=comment))
    assert sent.status_code == 200, sent.text
    text = owner.client.get(f"/admin/{owner.site.key}/{survey['id']}/responses.csv").content.decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["comment"] == cell
    assert not formulas_in(text)


def formulas_in(text: str) -> list[str]:
    """Cells that a spreadsheet would calculate, whatever it takes for a separator and whether it minds quotes."""
    found = []
    for separator in ";,\t|":
        file = io.StringIO(text, newline="")
        split = [one for line in csv.reader(file, delimiter=separator) for one in line]
        if separator != ",":  # behind one and a blank stands the rest of a sentence
            split += [one for line in text.splitlines() for one in line.split(separator)]
        for one in split:
            begin = unicodedata.normalize("NFKC", re.sub(r"^[\s\"\u200b\ufeff]+", "", one)).replace("−", "-")
            if begin[:1] in ("=", "+", "@", "-") and begin[:2] != "-)":
                found.append(one)
    return found


PIECES = ["=", "+", "-", "@", "(", ";", ",", "\t", "|", "\n", "\r", '"', "'", " ", "1", "＝", "－", "\u2028", "x"]


@pytest.mark.slow
@settings(max_examples=1000)
@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_no_comment_at_all_begins_a_formula(pieces: list[str]) -> None:
    comment = "".join(pieces).strip()
    cell = _no_formula(comment, comment)
    assert not formulas_in(_csv_line([cell]).decode())


def test_long_comment_of_nothing_but_what_is_passed_over_is_looked_through_once() -> None:
    def seconds(length: int) -> float:
        began = time.process_time()
        for text in (" " * length, "\n" * length, '"' * length, "-(" + " " * length + "x", ";-( " * (length // 4)):
            _no_formula(text, text)
        return time.process_time() - began

    seconds(1000)
    assert seconds(80_000) < 40 * max(seconds(8_000), 0.001), "ten times the text takes some ten times as long"


def test_fault_of_ours_says_nothing_of_a_link_in_the_log(owner: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(admin_access, "read_reset", broken)
    monkeypatch.setattr(problems, "log", log := Mock())
    client = TestClient(owner.client.app, base_url="http://collector.test", raise_server_exceptions=False)
    client.portal = owner.client.portal
    assert client.get("/admin/reset/a-link-that-is-still-good").status_code == 500
    assert [call.kwargs["path"] for call in log.error.mock_calls] == ["/admin/reset/…"]


def test_unknown_survey_is_a_page_that_says_so(owner: App) -> None:
    path = f"/admin/{owner.site.key}/0199f3c2-0000-7000-8000-000000000000"
    reply = owner.client.get(path, headers={"Accept": "text/html"})
    assert reply.status_code == 404
    assert "<h1>Not found</h1>" in reply.text


def test_reference_has_every_call(app: App) -> None:
    text = app.client.get("/api").text
    assert "/api/v1/surveys/{id}/publish" in text
    assert "ResponseResource" in text


def test_no_admin_route_answers_without_a_session_or_an_origin(app: App) -> None:
    for route in admin_routes(app):
        path = re.sub(r"\{\w+:uuid\}", "0199f3c2-0000-7000-8000-000000000000", route.path)
        path = path.replace("{site}", app.site.key).replace("{number:int}", "1")
        for method in route.methods or ():
            reply = app.client.request(method, path)
            reading = {"/admin/sign-in": 200, "/admin/": 307}.get(path, 303)
            if path.endswith("/{secret}") or path.startswith("/admin/sign-on"):
                reading = 404  # nobody has made that link, and no provider is set
            reading = STOP_POLLING if path.endswith("/news") else reading
            assert reply.status_code == (403 if method == "POST" else reading), (method, path)
