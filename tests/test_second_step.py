"""The second step at sign-in: turning it on and off, codes that work once, and recovery."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from sqlalchemy import delete, select, update

from collector.access import accounts
from collector.access.two_factor import STEP_SECONDS, codes_left, enrolment, step_of, use_code
from collector.db import schema
from collector.errors import Conflict
from collector.web.admin import signing_in as admin_access
from collector.web.admin.throttle import TRIES
from tests.conftest import ORIGIN, PASSWORD, USER, App, sign_in
from tests.pages import plain
from tests.second_step import STEP, code_now, first_step, turn_on, value_of
from tests.services import in_store, services_of
from tests.signed_in import NEW, acts, another_browser, id_of, lock_out, person, post


def second(app: App, client: Any, pending: str, code: str) -> Any:
    return post(app, "/admin/sign-in/code", client, pending=pending, code=code)


def test_sign_in_takes_a_code_once_it_is_on_and_none_once_it_is_off(owner: App) -> None:
    secret, _ = turn_on(owner)
    assert "10 of your recovery codes are left" in plain(owner.client.get("/admin/account").text)
    other = another_browser(owner)
    pending = first_step(owner, other)
    assert other.get("/admin/sites").status_code == 303, "the password alone lets nobody in"
    assert second(owner, other, pending, "000000").status_code == 401
    assert second(owner, other, pending, code_now(secret, 1)).status_code == 303
    assert other.get("/admin/sites").status_code == 200
    assert post(owner, f"{STEP}/off", None, off="guess").status_code == 422
    assert post(owner, f"{STEP}/off", None, off=PASSWORD).status_code == 303
    assert sign_in(owner).status_code == 303
    assert [act for _, act in acts(owner) if act.startswith("step.")] == ["step.off", "step.on"]


def test_code_works_once(owner: App) -> None:
    secret, _ = turn_on(owner)
    first, other = another_browser(owner), another_browser(owner)
    code = code_now(secret, 1)
    assert second(owner, first, first_step(owner, first), code).status_code == 303
    reply = second(owner, other, first_step(owner, other), code)
    assert reply.status_code == 401
    assert "used before" in reply.text
    assert second(owner, other, first_step(owner, other), code_now(secret)).status_code == 401, (
        "nor does an earlier one"
    )


def test_recovery_code_works_once_however_it_is_typed(owner: App) -> None:
    _, codes = turn_on(owner)
    other = another_browser(owner)
    assert second(owner, other, first_step(owner, other), f" {codes[0].upper().replace('-', ' ')}").status_code == 303
    assert second(owner, other, first_step(owner, other), codes[0]).status_code == 401
    assert second(owner, other, first_step(owner, other), codes[1]).status_code == 303
    assert "8 of your recovery codes are left" in plain(owner.client.get("/admin/account").text)
    assert [act for _, act in acts(owner)].count("step.recovered") == 2


def test_codes_cannot_be_guessed(owner: App) -> None:
    secret, _ = turn_on(owner)
    other = another_browser(owner)
    pending = first_step(owner, other)
    tries = [second(owner, other, pending, f"{number:06}").status_code for number in range(TRIES + 1)]
    assert tries == [401] * TRIES + [429]
    assert second(owner, other, pending, code_now(secret, 1)).status_code == 429
    assert owner.client.get("/admin/sites").status_code == 200, "who is signed in stays so"


def test_thirty_browsers_that_are_known_guess_no_more_codes_than_one(owner: App, monkeypatch: Any) -> None:
    """Whoever has the password signs in from as many as they like before there is a second step, or with its codes."""
    _, codes = turn_on(owner)
    known = [another_browser(owner) for _ in range(4)]
    for other, code in zip(known, codes, strict=False):
        assert second(owner, other, first_step(owner, other), code).status_code == 303
    looked_at = []

    async def look(*arguments: Any, **options: Any) -> bool:
        looked_at.append(arguments[3])
        return await use_code(*arguments, **options)

    monkeypatch.setattr(admin_access, "use_code", look)
    tries = []
    for number in range(3 * TRIES):
        other = (*known, owner.client, another_browser(owner))[number % 6]
        tries.append(second(owner, other, first_step(owner, other), f"{number:06}").status_code)
    assert tries == [401] * TRIES + [429] * (2 * TRIES)
    assert len(looked_at) == TRIES, "and that is how many were looked at"


def test_turning_it_on_leaves_no_browser_known_but_this(owner: App) -> None:
    thief = another_browser(owner)
    form = {"email": USER, "password": PASSWORD}
    assert thief.post("/admin/sign-in", data=form, headers=ORIGIN).status_code == 303

    async def known(connection: Any) -> list[str]:
        return list((await connection.execute(select(schema.devices.c.hash))).scalars())

    before = in_store(owner, known)
    turn_on(owner)
    after = in_store(owner, known)
    assert len(after) == 1
    assert not set(before) & set(after), "a copy of this browser's is of no use either"
    owner.client.post("/admin/sign-out", headers=ORIGIN)
    lock_out(owner)
    assert thief.post("/admin/sign-in", data=form, headers=ORIGIN).status_code == 429
    assert first_step(owner), "here their guesses do not count"


def test_step_that_was_turned_on_meanwhile_is_asked_for(owner: App) -> None:
    """A password that was found to fit before, and a session that is to start after."""
    user, hashed = in_store(owner, lambda connection: accounts.password_hash_of(connection, USER))
    turn_on(owner)
    with pytest.raises(Conflict):
        in_store(owner, lambda one: accounts.start_session(one, user, hashed, now=services_of(owner).clock()))


@pytest.mark.parametrize("turning", ["on", "off"])
def test_session_that_was_ended_meanwhile_turns_nothing(
    owner: App, monkeypatch: pytest.MonkeyPatch, turning: str
) -> None:
    """Someone is thrown out while their password is looked at."""
    if turning == "off":
        turn_on(owner)
    before = [act for _, act in acts(owner) if act.startswith("step.")]
    text, is_password = owner.client.get(STEP).text, accounts.is_password

    async def slowly(hashed: str, password: str) -> bool:
        async with services_of(owner).database.write() as connection:
            await connection.execute(delete(schema.sessions))
        return await is_password(hashed, password)

    monkeypatch.setattr(accounts, "is_password", slowly)
    if turning == "on":
        secret = re.findall(r"<code>([A-Z2-7 ]+)</code>", text)[0].replace(" ", "")
        post(owner, STEP, None, setup=value_of("setup", text), code=code_now(secret), current=PASSWORD)
    else:
        assert post(owner, f"{STEP}/off", None, off=PASSWORD).status_code == 409
    assert [act for _, act in acts(owner) if act.startswith("step.")] == before


@pytest.mark.parametrize("pending", ["", "forged", "x.y", "00.11.22"])
def test_code_alone_lets_nobody_in(owner: App, pending: str) -> None:
    secret, _ = turn_on(owner)
    reply = second(owner, another_browser(owner), pending, code_now(secret, 1))
    assert reply.status_code == 401
    assert "Please begin again" in reply.text


def test_password_of_before_is_no_first_step(owner: App) -> None:
    secret, _ = turn_on(owner)
    other = another_browser(owner)
    pending = first_step(owner, other)
    assert post(owner, "/admin/account/password", None, current=PASSWORD, password=NEW).status_code == 303
    assert second(owner, other, pending, code_now(secret, 1)).status_code == 401


def test_turning_it_on_takes_the_password_and_a_code(owner: App) -> None:
    text = owner.client.get(STEP).text
    setup = value_of("setup", text)
    (shown,) = re.findall(r"<code>([A-Z2-7 ]+)</code>", text)
    code = code_now(shown.replace(" ", ""))
    reply = post(owner, STEP, None, setup=setup, code=code, current="guess")
    assert (reply.status_code, 'aria-describedby="current-wrong"' in reply.text) == (422, True)
    reply = post(owner, STEP, None, setup=setup, code="000000", current=PASSWORD)
    assert (reply.status_code, 'aria-describedby="code-wrong"' in reply.text) == (422, True)
    assert shown in reply.text, "the app need not read it anew"
    assert post(owner, STEP, None, setup="forged", code=code, current=PASSWORD).status_code == 303
    jo = person(owner, "jo@example.com", "viewer")
    assert post(owner, STEP, jo, setup=setup, code=code, current=PASSWORD).status_code == 303, "it is another's"
    assert sign_in(owner).status_code == 303, "it is still off"


def test_turning_it_on_signs_out_everywhere_else(owner: App) -> None:
    other = another_browser(owner)
    other.post("/admin/sign-in", data={"email": USER, "password": PASSWORD}, headers=ORIGIN)
    turn_on(owner)
    assert other.get("/admin/sites").status_code == 303
    assert owner.client.get("/admin/sites").status_code == 200
    assert owner.client.get(STEP).status_code == 303, "it is on"


def test_owner_turns_it_off_for_who_lost_the_phone(owner: App) -> None:
    jo = person(owner, "jo@example.com", "viewer")
    jos = id_of(owner, "jo@example.com")
    text = jo.get(STEP).text
    (shown,) = re.findall(r"<code>([A-Z2-7 ]+)</code>", text)
    form = {"setup": value_of("setup", text), "code": code_now(shown.replace(" ", "")), "current": PASSWORD}
    assert post(owner, STEP, jo, **form).status_code == 200
    path = f"/admin/users/{jos}/second-step/off"
    assert path in owner.client.get("/admin/users").text
    assert post(owner, path).status_code == 303
    assert post(owner, path).status_code == 404
    reply = jo.post("/admin/sign-in", data={"email": "jo@example.com", "password": PASSWORD}, headers=ORIGIN)
    assert reply.status_code == 303


def test_store_holds_no_secret_of_it(owner: App) -> None:
    secret, codes = turn_on(owner)

    async def everything(connection: Any) -> str:
        tables = schema.users, schema.recovery_codes
        return str([(await connection.execute(select(table))).all() for table in tables])

    stored = in_store(owner, everything)
    for one in (secret, *codes, *(code.replace("-", "") for code in codes)):
        assert one not in stored


# ---- codes


def test_clock_that_is_half_a_minute_off_does_no_harm() -> None:
    secret, now = pyotp.random_base32(), datetime(2026, 11, 24, 12, 0, 15, tzinfo=UTC)
    steps = [
        step_of(secret, pyotp.TOTP(secret).at(now + timedelta(seconds=STEP_SECONDS * off)), now=now)
        for off in (-2, -1, 0, 1, 2)
    ]
    this = int(now.timestamp()) // STEP_SECONDS
    assert steps == [None, this - 1, this, this + 1, None]
    spaced = pyotp.TOTP(secret).at(now)
    assert step_of(secret, f" {spaced[:3]} {spaced[3:]} ", now=now) == this
    assert step_of(secret, "١٢٣٤٥٦", now=now) is None


def test_address_for_the_app_is_as_apps_read_it() -> None:
    address, picture = enrolment("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "jo+shop@example.com", "Tevreden")
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/Tevreden:jo%2Bshop%40example.com")
    assert parse_qs(parts.query) == {"secret": ["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"], "issuer": ["Tevreden"]}
    assert picture.startswith("data:image/svg+xml")


def test_two_at_once_with_one_code_are_one(owner: App) -> None:
    secret, _ = turn_on(owner)
    app = services_of(owner)
    user, _ = in_store(owner, lambda connection: accounts.password_hash_of(connection, USER))
    now = datetime.now(UTC) + timedelta(seconds=STEP_SECONDS)
    code = pyotp.TOTP(secret).at(now)

    def use() -> bool:
        return bool(in_store(owner, lambda one: use_code(one, app.signing, user, code, now=now)))

    assert [use(), use()] == [True, False]
    forget = update(schema.users).values(otp_salt=None)
    in_store(owner, lambda connection: connection.execute(forget))
    assert use() is False, "where it is off, no code is right"
    assert in_store(owner, lambda connection: codes_left(connection, user)) == 10
