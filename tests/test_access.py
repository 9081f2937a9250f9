"""The way in: the first account, guessing, one's own account, and the log of who did what."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyotp
import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from collector.access import accounts, audit
from collector.access.guesses import forget_guesses
from collector.access.keys import digest
from collector.access.known_browsers import KNOWN_FOR, find_browser, know_browser
from collector.access.known_browsers import MOST as MOST_BROWSERS
from collector.access.resets import make_reset
from collector.access.signing import Signing
from collector.db import schema
from collector.errors import Conflict, NotFound, TooManyTries
from collector.run.app import create_app
from collector.web.admin.signing_in import ENTRIES
from collector.web.admin.throttle import TRIES, TRIES_PER_ADDRESS
from tests.conftest import ORIGIN, PASSWORD, PERSON, SECRET, USER, App, Process, sign_in, tevreden
from tests.second_step import code_now, first_step, turn_on
from tests.services import in_store, services_of
from tests.signed_in import NEW, acts, another_browser, lock_out, post
from tests.stores import rows_of


def nobody(app: App) -> None:
    """As on a first start."""

    async def remove(connection: Any) -> None:
        await connection.execute(schema.users.delete())

    in_store(app, remove)


def owner_link(app: App, now: datetime | None = None) -> Any:
    return in_store(app, lambda connection: accounts.make_owner_link(connection, now=now or datetime.now(UTC)))


# ---- the first account


def test_first_start_says_where_to_make_the_first_account(alone: Process) -> None:
    alone.start()
    link = re.findall(r"http\S+/admin/welcome/\S+", alone.output.read_text())
    assert len(link) == 1
    form = {"email": "me@example.com", "password": NEW}
    headers = {"Origin": alone.url, "Accept": "text/html"}
    assert "Make the first account" in alone.http.get(link[0]).text
    made = alone.http.post(link[0], data=form, headers=headers)
    assert (made.status_code, made.headers["location"]) == (303, "/admin")
    assert "Add your first site" in alone.http.get(alone.url + "/admin/sites").text, "and signs in"
    assert alone.http.post(link[0], data=form, headers=headers).status_code == 404, "once"
    alone.stop()
    alone.start()
    assert len(re.findall("/admin/welcome/", alone.output.read_text())) == 1, "not said again"


def test_installation_that_was_only_started_takes_a_backup(alone: Process, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    tevreden("user", "add", USER, "--password", PASSWORD, folder=other)
    assert tevreden("backup", "all.backup", folder=other).returncode == 0
    alone.start()
    assert "/admin/welcome/" in alone.output.read_text()
    alone.stop()
    alone.command("restore", str(other / "all.backup"))
    alone.output.write_text("")
    alone.start()
    assert "/admin/welcome/" not in alone.output.read_text()


def test_first_account_can_be_made_by_command_too(alone: Process) -> None:
    alone.command("user", "add", USER, "--password", PASSWORD)
    alone.start()
    assert "/admin/welcome/" not in alone.output.read_text()


def test_link_of_a_first_start_works_once_and_makes_one_account(app: App) -> None:
    nobody(app)
    first, second = owner_link(app), owner_link(app)
    assert app.client.get(f"/admin/welcome/{first}").status_code == 200, "links of two processes are good"
    assert post(app, f"/admin/welcome/{second}", email="Me@Example.com ", password=NEW).status_code == 303
    for link in (first, second):
        assert app.client.get(f"/admin/welcome/{link}").status_code == 404
        assert post(app, f"/admin/welcome/{link}", email="you@example.com", password=NEW).status_code == 404
    assert owner_link(app) is None
    assert acts(app)[:2] == [("me@example.com", "signed.in"), ("me@example.com", "owner.made")]


def test_links_that_are_used_at_once_make_one_account(app: App) -> None:
    nobody(app)
    secrets = [owner_link(app) for _ in range(6)]
    made = services_of(app)

    async def use(number: int, secret: str) -> accounts.User:
        async with made.database.write() as connection:
            email = f"owner{number}@example.com"
            return await accounts.make_owner(connection, secret, email, "-", now=made.clock())

    async def all_at_once() -> list[Any]:
        return list(await asyncio.gather(*(use(*one) for one in enumerate(secrets)), return_exceptions=True))

    assert app.client.portal
    results = app.client.portal.call(all_at_once)
    assert sum(isinstance(one, accounts.User) for one in results) == 1
    assert sum(isinstance(one, NotFound) for one in results) == 5
    assert [act for _, act in acts(app)].count("owner.made") == 1


def test_link_of_a_first_start_ends_after_a_day(app: App) -> None:
    nobody(app)
    link = owner_link(app, datetime.now(UTC) - timedelta(hours=24, seconds=1))
    reply = app.client.get(f"/admin/welcome/{link}", headers=ORIGIN)
    assert reply.status_code == 404
    assert "restart the collector for a new link" in reply.text


@pytest.mark.parametrize(
    ("email", "password", "said"),
    [
        ("", NEW, "must be an e-mail address"),
        ("me", NEW, "must be an e-mail address"),
        ("me@example.com", "short", "At least 12 characters"),
        ("me@example.com", "", "At least 12 characters"),
    ],
)
def test_first_account_that_wont_do_is_told_and_can_be_put_right(
    app: App, email: str, password: str, said: str
) -> None:
    nobody(app)
    path = f"/admin/welcome/{owner_link(app)}"
    reply = post(app, path, email=email, password=password)
    assert reply.status_code == 422
    assert said in reply.text
    assert 'role="alert"' in reply.text
    assert f'value="{email}"' in reply.text
    assert post(app, path, email="me@example.com", password=NEW).status_code == 303


@pytest.mark.parametrize("secret", ["x", "%00", "a" * 5000])
def test_made_up_link_leads_nowhere(app: App, secret: str) -> None:
    nobody(app)
    owner_link(app)
    assert app.client.get(f"/admin/welcome/{secret}").status_code in (303, 404)
    assert post(app, f"/admin/welcome/{secret}", email="me@example.com", password=NEW).status_code == 404


# ---- guessing


def test_guesses_elsewhere_keep_nobody_out_who_was_here_before(app: App) -> None:
    assert sign_in(app).status_code == 303
    assert app.client.post("/admin/sign-out", headers=ORIGIN).status_code == 303
    stranger = another_browser(app)
    form = {"email": USER, "password": "guess"}
    tries = [stranger.post("/admin/sign-in", data=form, headers=ORIGIN).status_code for _ in range(TRIES + 2)]
    assert tries == [401] * TRIES + [429] * 2
    assert sign_in(app).status_code == 303


def test_known_browser_may_not_guess_without_end_either(app: App) -> None:
    assert sign_in(app).status_code == 303
    tries = [sign_in(app, password="guess").status_code for _ in range(TRIES + 1)]
    assert tries == [401] * TRIES + [429]


def test_browser_is_known_for_the_account_that_signed_in_there_alone_and_for_a_while(app: App) -> None:
    hashed = app.client.portal.call(accounts.hash_password, NEW)  # type: ignore[union-attr]
    now = datetime.now(UTC)

    async def look(connection: Any) -> bool:
        me, _ = await accounts.password_hash_of(connection, USER)
        assert me
        you = await accounts.add_user(connection, "you@example.com", hashed, now=now)
        mine = [await know_browser(connection, me.id, now=now) for _ in range(2)]
        assert mine[0] != mine[1], "each browser has its own"
        looks = [
            (me, mine[:1], now),
            (you, mine, now),
            (me, ["forged"], now),
            (me, mine, now + KNOWN_FOR + timedelta(seconds=1)),
        ]
        found = [await find_browser(connection, user.id, held, now=at) for user, held, at in looks]
        for number in range(MOST_BROWSERS):
            await know_browser(connection, me.id, now=now + timedelta(seconds=1 + number))
        kept = await connection.scalar(select(func.count()).select_from(schema.devices))
        assert kept == MOST_BROWSERS, "no more of one person, however often somebody signs in"
        return found == [mine[0], None, None, None]

    assert in_store(app, look)
    assert Signing(SECRET).read_device("forged.ü") is None


def test_guesses_of_a_stranger_lock_nobody_out_in_a_known_browser_after_a_reset(app: App) -> None:
    assert sign_in(app).status_code == 303
    app.client.post("/admin/sign-out", headers=ORIGIN)
    lock_out(app)
    user, _ = in_store(app, lambda connection: accounts.password_hash_of(connection, USER))
    now = datetime.now(UTC)
    _, link = in_store(app, lambda connection: make_reset(connection, "command line", user.id, now=now))
    phone, other = another_browser(app), another_browser(app)
    assert post(app, f"/admin/reset/{link}", phone, password=NEW).status_code == 200
    form = {"email": USER, "password": NEW}
    assert post(app, "/admin/sign-in", other, **form).status_code == 429
    assert post(app, "/admin/sign-in", phone, **form).status_code == 303, "where the link was used"
    assert sign_in(app, password=NEW).status_code == 303, "where they signed in before"


def test_guesses_count_over_every_process_and_after_a_restart(app: App) -> None:
    """On PostgreSQL any number of processes serve; whichever a guess comes to, it counts."""
    another = TestClient(create_app(services_of(app)), base_url="http://collector.test", follow_redirects=False)
    another.portal = app.client.portal
    form = {"email": USER, "password": "guess"}
    clients = [another_browser(app), another] * TRIES
    tries = [one.post("/admin/sign-in", data=form, headers=ORIGIN).status_code for one in clients]
    assert tries == [401] * TRIES + [429] * TRIES
    restarted = TestClient(create_app(services_of(app)), base_url="http://collector.test", follow_redirects=False)
    restarted.portal = app.client.portal
    assert restarted.post("/admin/sign-in", data=form, headers=ORIGIN).status_code == 429


def test_rows_of_guesses_are_bounded_and_go_again(app: App) -> None:
    lock_out(app)
    lock_out(app, "nobody@example.com")

    async def rows(connection: Any) -> list[Any]:
        return list((await connection.execute(select(schema.guesses))).all())

    kept = in_store(app, rows)
    assert len(kept) == 4 * TRIES, "a place for each guess that was looked at, by account and by address"
    assert not [row for row in kept if USER in str(row) or "198.18" in str(row)], "nothing says who was guessed at"
    later = datetime.now(UTC) + timedelta(minutes=16)
    in_store(app, lambda connection: forget_guesses(connection, now=later))
    assert in_store(app, rows) == []


def test_guessing_many_accounts_from_one_address_is_slowed(app: App) -> None:
    tries = [sign_in(app, f"user{number}@example.com", "guess").status_code for number in range(TRIES_PER_ADDRESS + 1)]
    assert tries == [401] * TRIES_PER_ADDRESS + [429]


def test_guesses_at_the_same_moment_are_no_more_than_one_after_the_other(app: App) -> None:
    throttle = app.client.app.state.throttle  # type: ignore[attr-defined]
    look = partial(accounts.is_password, accounts._NOBODY, "guess")

    async def all_at_once() -> list[Any]:
        tries = (throttle.is_right(look, account=USER) for _ in range(50))
        return list(await asyncio.gather(*tries, return_exceptions=True))

    assert app.client.portal
    tries = app.client.portal.call(all_at_once)
    assert tries.count(False) <= TRIES
    assert sum(isinstance(one, TooManyTries) for one in tries) >= 50 - TRIES


def test_sign_in_with_a_password_that_changes_in_this_moment_is_refused(app: App) -> None:
    sign_in(app)
    user, hashed = in_store(app, lambda connection: accounts.password_hash_of(connection, USER))
    post(app, "/admin/account/password", current=PASSWORD, password=NEW)
    now = datetime.now(UTC)
    with pytest.raises(Conflict):
        in_store(app, lambda connection: accounts.start_session(connection, user, hashed, now=now))


def test_password_that_changed_in_this_moment_is_not_changed_again(app: App) -> None:
    sign_in(app)
    user, hashed = in_store(app, lambda connection: accounts.password_hash_of(connection, USER))
    now = datetime.now(UTC)
    (session,) = in_store(app, lambda connection: accounts.list_sessions(connection, user, now=now))
    post(app, "/admin/account/password", current=PASSWORD, password=NEW)
    with pytest.raises(Conflict):
        in_store(app, lambda connection: accounts.change_password(connection, session, hashed, "x", now=now))
    app.client.cookies.clear()
    assert sign_in(app, password=NEW).status_code == 303


# ---- one's own account


HTML = {"Accept": "text/html,*/*;q=0.8"}


def test_page_that_was_asked_for_comes_after_signing_in(app: App) -> None:
    page = f"/admin/{app.site.key}/responses?score=1&comment=it%27s%20%26c"
    assert app.client.get(page, headers=HTML).headers["location"] == "/admin/sign-in"
    assert sign_in(app).headers["location"] == page
    app.client.get(page, headers=HTML)
    assert sign_in(app).headers["location"] == "/admin", "once"


def test_page_that_was_asked_for_comes_after_a_wrong_password_and_the_second_step(owner: App) -> None:
    secret, _ = turn_on(owner)
    other = another_browser(owner)
    other.get("/admin/account", headers=HTML)
    assert post(owner, "/admin/sign-in", other, email=USER, password="guess").status_code == 401
    form = {"pending": first_step(owner, other), "code": code_now(secret, 1)}
    assert post(owner, "/admin/sign-in/code", other, **form).headers["location"] == "/admin/account"


@pytest.mark.parametrize(
    ("page", "headers"),
    [
        ("/admin/x/responses/news?after=1", {"Accept": "*/*"}),
        ("/admin//evil.example/x", HTML),
        ("/admin/x/11111111-1111-1111-1111-111111111111/responses.csv", HTML),
        (f"/admin/x/responses?search={'x' * 2_000}", HTML),
    ],
)
def test_what_is_no_page_of_its_own_is_not_come_back_to(app: App, page: str, headers: dict[str, str]) -> None:
    app.client.get(page, headers=headers)
    assert sign_in(app).headers["location"] == "/admin"


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example/admin/x", "/admin/\\evil.example", "/admin/x\r\nSet-Cookie: a=b"],
)
def test_cookie_that_somebody_made_up_leads_nowhere_else(app: App, wanted: str) -> None:
    app.client.cookies.set("tevreden-wanted", quote(wanted))
    assert sign_in(app).headers["location"] == "/admin"


def test_account_says_where_one_is_signed_in_and_signs_out_there(app: App) -> None:
    sign_in(app, **{"User-Agent": PERSON})
    phone = another_browser(app)
    agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"
    phone.post("/admin/sign-in", data={"email": USER, "password": PASSWORD}, headers={**ORIGIN, "User-Agent": agent})
    text = app.client.get("/admin/account").text
    assert "Chrome on Linux" in text
    assert "on iOS" in text
    (path,) = set(re.findall(r"/admin/account/sessions/[0-9a-f]{16}/end", text))
    assert post(app, path).status_code == 303
    assert phone.get("/admin/sites").status_code == 303, "the phone is signed out"
    assert app.client.get("/admin/sites").status_code == 200
    assert post(app, path).status_code == 404, "it has ended"
    assert acts(app)[0] == (USER, "session.ended")


def test_everywhere_else_is_signed_out_at_once(app: App) -> None:
    sign_in(app)
    others = [another_browser(app) for _ in range(3)]
    for other in others:
        other.post("/admin/sign-in", data={"email": USER, "password": PASSWORD}, headers=ORIGIN)
    assert post(app, "/admin/account/sessions/others/end").status_code == 303
    assert [other.get("/admin/sites").status_code for other in others] == [303] * 3
    assert app.client.get("/admin/sites").status_code == 200


def test_nobody_ends_a_session_that_is_not_theirs(app: App) -> None:
    hashed = app.client.portal.call(accounts.hash_password, NEW)  # type: ignore[union-attr]
    now = datetime.now(UTC)
    in_store(app, lambda connection: accounts.add_user(connection, "other@example.com", hashed, now=now))
    sign_in(app)
    other = another_browser(app)
    other.post("/admin/sign-in", data={"email": "other@example.com", "password": NEW}, headers=ORIGIN)
    cookie = services_of(app).signing.read_session(app.client.cookies["tevreden-session"])
    assert cookie
    assert post(app, f"/admin/account/sessions/{digest(cookie)[:16]}/end", other).status_code == 404
    assert post(app, "/admin/account/sessions/others/end", other).status_code == 303
    assert app.client.get("/admin/sites").status_code == 200


@pytest.mark.parametrize("name", ["", "%00", "%25", "_" * 16, "x", "0" * 17])
def test_session_that_is_none_is_not_found(app: App, name: str) -> None:
    sign_in(app)
    assert post(app, f"/admin/account/sessions/{name}/end").status_code == 404
    assert app.client.get("/admin/sites").status_code == 200


def test_password_is_changed_and_signs_out_everywhere_else(app: App) -> None:
    sign_in(app)
    other = another_browser(app)
    other.post("/admin/sign-in", data={"email": USER, "password": PASSWORD}, headers=ORIGIN)
    copied = app.client.cookies["tevreden-session"]
    reply = post(app, "/admin/account/password", current=PASSWORD, password=NEW)
    assert reply.status_code == 303
    assert "Your password is changed" in app.client.get(reply.headers["location"]).text
    assert other.get("/admin/sites").status_code == 303
    thief = another_browser(app)
    thief.cookies.set("tevreden-session", copied)
    assert thief.get("/admin/sites").status_code == 303, "a copy of this browser's session is dead too"
    app.client.cookies.clear()
    assert sign_in(app).status_code == 401
    assert sign_in(app, password=NEW).status_code == 303
    assert (USER, "password.changed") in acts(app)[:4]


@pytest.mark.parametrize(
    ("current", "new", "said"),
    [("wrong", NEW, "is not your password"), ("", NEW, "is not your password"), (PASSWORD, "short", "At least 12")],
)
def test_password_that_wont_do_is_told_and_nothing_changes(app: App, current: str, new: str, said: str) -> None:
    sign_in(app)
    reply = post(app, "/admin/account/password", current=current, password=new)
    assert reply.status_code == 422
    assert said in reply.text
    assert 'role="alert"' in reply.text
    assert sign_in(app).status_code == 303


def test_session_in_use_is_seen(app: App) -> None:
    sign_in(app)
    earlier = datetime.now(UTC) - timedelta(hours=3)

    async def age(connection: Any) -> None:
        await connection.execute(schema.sessions.update().values(seen_at=earlier))

    in_store(app, age)
    assert app.client.get("/admin/sites").status_code == 200

    async def seen(connection: Any) -> datetime:
        moment: datetime = (await connection.execute(select(schema.sessions.c.seen_at))).scalar_one()
        return moment

    assert in_store(app, seen) > earlier + timedelta(hours=2)


# ---- who did what


def test_log_says_who_did_what(app: App) -> None:
    sign_in(app)
    text = re.sub(r"\s+", " ", app.client.get("/admin/log").text)
    assert f"<b>{USER}</b> signed in" in text
    assert f"<b>command line</b> added a user: {USER}" in text
    assert "<b>command line</b> created an API token: tests" in text


def test_log_goes_back_as_far_as_there_is_something(app: App) -> None:
    sign_in(app)
    evil = "<script>alert(1)</script>"

    async def fill(connection: Any) -> None:
        for number in range(ENTRIES):
            now = datetime.now(UTC)
            await audit.record(connection, f"user{number}@example.com", "token.added", evil, now=now)

    in_store(app, fill)
    text = app.client.get("/admin/log").text
    assert evil not in text
    assert text.count("<li>") == ENTRIES
    (earlier,) = re.findall(r"/admin/log\?before=[0-9a-f-]{36}", text)
    text = app.client.get(earlier).text
    assert f"<b>{USER}</b> signed in" in text
    assert "before=" not in text
    assert app.client.get("/admin/log?before=x").status_code == 200


def test_log_before_anything_says_what_will_stand_there(app: App) -> None:
    sign_in(app)

    async def empty(connection: Any) -> None:
        await connection.execute(schema.audit.delete())

    in_store(app, empty)
    assert "Nothing yet" in app.client.get("/admin/log").text


def test_store_holds_nothing_that_opens_anything(app: App) -> None:
    """Every secret that somebody is handed, or that is derived: in no column of any table."""
    nobody(app)
    signing, secrets = services_of(app).signing, {"the installation's": SECRET, "password": NEW}
    secrets["link"] = owner_link(app)
    post(app, f"/admin/welcome/{secrets['link']}", email=USER, password=NEW)
    secrets["session"] = signing.read_session(app.client.cookies["tevreden-session"]) or ""
    secrets["device"] = signing.read_device(app.client.cookies["tevreden-device"]) or ""
    invited = post(app, "/admin/users/invite", email="jo@example.com", role="viewer", site="").text
    secrets["invitation"] = re.findall(r"/admin/join/([\w-]+)", invited)[0]
    user, _ = in_store(app, lambda connection: accounts.password_hash_of(connection, USER))
    now = datetime.now(UTC)
    _, secrets["reset"] = in_store(app, lambda connection: make_reset(connection, "command line", user.id, now=now))
    made = post(app, "/admin/tokens", name="Dashboard", scope="write", site="").text
    secrets["token"] = re.findall(r"tvr_[\w-]{43}", made)[0]
    secrets["identify"] = app.site.identify_secret
    secrets["webhook"] = app.site.call("POST", "/webhooks", {"url": "https://hooks.example/in"}).json()["secret"]
    setup = app.client.get("/admin/account/second-step").text
    secret = re.findall(r"<code>([A-Z2-7 ]+)</code>", setup)[0].replace(" ", "")
    form = {"setup": re.findall(r'name="setup" value="([^"]*)"', setup)[0], "current": NEW}
    codes = post(app, "/admin/account/second-step", code=pyotp.TOTP(secret).now(), **form).text
    secrets["second step"] = secret
    found = re.findall(r"<li><code>([\w-]+)</code></li>", codes)
    secrets |= {f"recovery code {number}": code for number, code in enumerate(found)}
    post(app, "/admin/sign-in", another_browser(app), email="typed@example.com", password="guess")
    assert len(secrets) == 21
    stored = str(in_store(app, rows_of))
    assert USER in stored, "it is everything"
    for name, secret in secrets.items():
        assert len(secret) >= 10, name
        for written in {secret, secret.replace("-", ""), secret.removeprefix("whsec_").removeprefix("tvr_")}:
            assert written not in stored, name
