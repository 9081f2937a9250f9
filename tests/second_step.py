"""Turning the second step on, and signing in as far as that."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp

from collector.access.two_factor import STEP_SECONDS
from tests.conftest import ORIGIN, PASSWORD, USER, App
from tests.signed_in import post

STEP = "/admin/account/second-step"


def value_of(name: str, text: str) -> str:
    (found,) = re.findall(rf'name="{name}" value="([^"]*)"', text)
    return str(found)


def code_now(secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(datetime.now(UTC) + timedelta(seconds=STEP_SECONDS * steps))


def turn_on(app: App) -> tuple[str, list[str]]:
    """The secret, and the recovery codes."""
    text = app.client.get(STEP).text
    (shown,) = re.findall(r"<code>([A-Z2-7 ]+)</code>", text)
    secret = shown.replace(" ", "")
    reply = post(app, STEP, None, setup=value_of("setup", text), code=code_now(secret), current=PASSWORD)
    assert reply.status_code == 200
    codes = re.findall(r"<li><code>([\w-]+)</code></li>", reply.text)
    assert len(set(codes)) == 10
    return secret, codes


def first_step(app: App, client: Any = None) -> str:
    """What the form for the code carries."""
    form = {"email": USER, "password": PASSWORD}
    reply = (client or app.client).post("/admin/sign-in", data=form, headers=ORIGIN)
    assert reply.status_code == 200
    assert "tevreden-session" not in reply.cookies
    return value_of("pending", reply.text)
