"""Single sign-on: with a provider that runs here, and with what it may never be believed."""

from __future__ import annotations

import asyncio
import json
import re
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from anyio.from_thread import start_blocking_portal
from joserfc import jwk, jwt
from sqlalchemy import select
from starlette.testclient import TestClient

from collector.access.oidc import LEFT_ALONE_FOR, Known, account_of
from collector.db import schema
from collector.errors import SettingsError
from collector.run.app import create_app, open_services
from collector.settings import Settings, load
from collector.web.admin.throttle import TRIES_PER_ADDRESS
from tests.conftest import PASSWORD, SECRET, USER, App, add_site, sign_in
from tests.services import in_store, services_of
from tests.signed_in import acts, another_browser, id_of, post

CLIENT, CLIENT_SECRET = "tevreden & co", "a secret: with signs"


@dataclass
class Provider:
    """An OpenID Connect provider on this machine; a test bends what it says."""

    keys: Any = None
    """What it says its keys are, where a test bends that."""
    key: Any = field(default_factory=lambda: jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))
    signs_with: Any = None
    issuer: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "one"})
    asked: list[dict[str, str]] = field(default_factory=list)
    """The forms that came to the token endpoint."""
    challenge: str = ""
    nonce: str = ""

    def said(self, path: str) -> Any:
        match path:
            case "/.well-known/openid-configuration":
                ends = {"authorization_endpoint": "/go?tenant=1", "token_endpoint": "/token", "jwks_uri": "/keys"}
                ends |= {"userinfo_endpoint": "/me"}
                return {"issuer": self.issuer, **{key: self.issuer + end for key, end in ends.items()}, **self.metadata}
            case "/keys":
                if self.keys is not None:
                    return {"keys": self.keys}
                other = jwk.OctKey.generate_key(256).as_dict(private=True)
                return {"keys": [self.key.as_dict(private=False), other, {"kty": "new"}]}
            case "/me":
                return self.userinfo
        return None

    def token(self, form: dict[str, str]) -> Any:
        self.asked.append(form)
        made = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if made != self.challenge or form["code"] != "the code":
            return None
        now = int(time.time())
        said = {"iss": self.issuer, "sub": "jo-17", "aud": CLIENT, "exp": now + 60, "iat": now, "nonce": self.nonce}
        said |= {"email": "jo@example.com", "email_verified": True, **self.claims}
        said = {key: value for key, value in said.items() if value is not None}
        key = self.signs_with or self.key
        token = jwt.encode(self.header, said, key, algorithms=[self.header["alg"]])
        return {"id_token": token, "access_token": "at", "token_type": "Bearer"}


@contextmanager
def serving(provider: Provider) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(provider.said(self.path))

        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.reply(provider.token({**form, "authorization": self.headers.get("Authorization", "")}))

        def reply(self, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(200 if value is not None else 400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    with serving(made):
        yield made


@pytest.fixture
def app(tmp_path: Any, store: tuple[str, str], provider: Provider) -> Iterator[App]:
    """A collector that knows the provider."""
    url, token = store
    about: dict[str, Any] = {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": CLIENT_SECRET,
    }
    settings = Settings(database_url=url, secret=SECRET, oidc_name="Example ID", **about)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_services(settings)) as open_:
        client = TestClient(create_app(open_), base_url="http://collector.test", follow_redirects=False)
        client.portal = portal
        yield App(client, tmp_path, add_site(client, "", token))


def go(provider: Provider, client: TestClient) -> dict[str, str]:
    """Begin in this browser; what the provider is asked."""
    reply = client.get("/admin/sign-on")
    assert reply.status_code == 303, reply.text
    where = urlsplit(reply.headers["location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == f"{provider.issuer}/go"
    asked = {key: values[0] for key, values in parse_qs(where.query).items()}
    provider.challenge, provider.nonce = asked["code_challenge"], asked["nonce"]
    return asked


def come_back(client: TestClient, asked: dict[str, str], **query: str) -> Any:
    given = {"code": "the code", "state": asked["state"], **query}
    return client.get("/admin/sign-on/back", params=given, headers={"Accept": "text/html"})


def invite(app: App, email: str = "jo@example.com", role: str = "editor") -> None:
    sign_in(app)
    assert post(app, "/admin/users/invite", None, email=email, role=role, site=app.site.key).status_code == 200


def test_invited_person_comes_in_and_needs_no_password(app: App, provider: Provider) -> None:
    invite(app)
    jo = another_browser(app)
    assert "Sign in with Example ID" in jo.get("/admin/sign-in").text
    asked = go(provider, jo)
    assert asked["client_id"] == CLIENT
    assert (asked["scope"], asked["response_type"]) == ("openid email", "code")
    assert (asked["code_challenge_method"], asked["tenant"]) == ("S256", "1")
    assert asked["redirect_uri"] == "http://127.0.0.1:8000/admin/sign-on/back"
    reply = come_back(jo, asked)
    assert (reply.status_code, reply.headers["location"]) == (303, "/admin")
    assert jo.get(f"/admin/{app.site.key}/new").status_code == 200
    (form,) = provider.asked
    assert form["redirect_uri"] == asked["redirect_uri"]
    pair = b64decode(form["authorization"].removeprefix("Basic ")).decode()
    assert pair == "tevreden%20%26%20co:a%20secret%3A%20with%20signs"
    assert come_back(jo, asked).status_code == 403, "it works once"
    assert "you have no password here" in jo.get("/admin/account").text
    assert post(app, "/admin/account/password", jo, current="!", password=PASSWORD).status_code == 422
    for password in ("", "!", PASSWORD):
        assert sign_in(app, "jo@example.com", password).status_code == 401
    again = another_browser(app)
    assert come_back(again, go(provider, again)).status_code == 303, "the invitation is used up, and no longer needed"
    assert [act for who, act in acts(app) if who == "jo@example.com"].count("sign.on.joined") == 1


def test_account_is_known_by_its_verified_address_and_then_whatever_that_becomes(app: App, provider: Provider) -> None:
    provider.claims = {"email": USER.upper()}
    me = another_browser(app)
    assert come_back(me, go(provider, me)).status_code == 303
    assert USER in me.get("/admin/account").text
    provider.claims = {"email": "moved@example.com", "email_verified": False}
    me.cookies.clear()
    assert come_back(me, go(provider, me)).status_code == 303
    assert USER in me.get("/admin/account").text
    assert sign_in(app).status_code == 303, "the password goes on to work"
    provider.claims = {"sub": "another", "email": USER}
    other = another_browser(app)
    reply = come_back(other, go(provider, other))
    assert reply.status_code == 403
    assert "belongs to somebody else" in reply.text


def test_address_is_asked_for_where_the_token_has_none(app: App, provider: Provider) -> None:
    provider.claims = {"email": None, "email_verified": None}
    provider.userinfo = {"sub": "jo-17", "email": USER, "email_verified": True}
    me = another_browser(app)
    assert come_back(me, go(provider, me)).status_code == 303
    provider.userinfo["sub"] = "somebody else"
    provider.claims |= {"sub": "new"}
    me.cookies.clear()
    assert come_back(me, go(provider, me)).status_code == 403


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({}, "There is no user jo@example.com"),
        ({"email": USER, "email_verified": False}, "no verified e-mail address"),
        ({"email": USER, "email_verified": None}, "no verified e-mail address"),
        ({"email": USER, "email_verified": 1}, "no verified e-mail address"),
        ({"email": "no address", "email_verified": True}, "no verified e-mail address"),
        ({"iss": "https://other.example"}, "could not be verified"),
        ({"aud": "another client"}, "could not be verified"),
        ({"aud": [CLIENT, "another client"], "azp": "another client"}, "could not be verified"),
        ({"aud": [CLIENT, "another client"]}, "could not be verified"),
        ({"nonce": "of another sign-in"}, "could not be verified"),
        ({"nonce": None}, "could not be verified"),
        ({"exp": 1}, "could not be verified"),
        ({"exp": None}, "could not be verified"),
        ({"sub": None}, "could not be verified"),
    ],
    ids=str,
)
def test_whoever_is_not_vouched_for_is_kept_out(
    app: App, provider: Provider, claims: dict[str, Any], said: str
) -> None:
    provider.claims = {"email": USER, **claims} if claims else {}
    browser = another_browser(app)
    reply = come_back(browser, go(provider, browser))
    assert reply.status_code == 403
    assert said in reply.text
    assert browser.get("/admin/sites").status_code == 303


def test_token_that_somebody_else_signed_is_nothing(app: App, provider: Provider) -> None:
    provider.claims = {"email": USER}
    browser = another_browser(app)
    theirs = jwk.RSAKey.generate_key(2048, {"kid": "one"})
    shared = jwk.OctKey.import_key(CLIENT_SECRET)
    for key, header in (
        (theirs, {"alg": "RS256", "kid": "one"}),
        (theirs, {"alg": "RS256", "kid": "two"}),
        (shared, {"alg": "HS256", "kid": "one"}),
        (shared, {"alg": "HS256"}),
    ):
        provider.signs_with, provider.header = key, header
        assert come_back(browser, go(provider, browser)).status_code == 403, header
    assert in_store(app, lambda one: one.scalar(select(schema.users.c.subject))) is None


@pytest.mark.parametrize(
    "query",
    [{"state": "forged"}, {"state": ""}, {"code": "another"}, {"iss": "https://other.example"}],
    ids=str,
)
def test_answer_to_another_question_is_refused(app: App, provider: Provider, query: dict[str, str]) -> None:
    provider.claims = {"email": USER}
    browser = another_browser(app)
    assert come_back(browser, go(provider, browser), **query).status_code == 403


def test_sign_in_begun_in_another_browser_is_refused(app: App, provider: Provider) -> None:
    provider.claims = {"email": USER}
    asked = go(provider, another_browser(app))
    assert come_back(another_browser(app), asked).status_code == 403
    assert provider.asked == []


def calls_of(provider: Provider) -> int:
    return len(provider.asked)


def test_sign_in_that_was_begun_once_asks_the_provider_once(app: App, provider: Provider) -> None:
    invite(app)
    jo = another_browser(app)
    asked = go(provider, jo)
    cookie = jo.cookies["tevreden-sign-on"]
    provider.claims["aud"] = "somebody else"
    replies = []
    for _ in range(30):
        jo.cookies.set("tevreden-sign-on", cookie, domain="collector.test")
        replies.append(come_back(jo, asked))
    assert {reply.status_code for reply in replies} == {403}
    assert "used already" in replies[1].text
    assert calls_of(provider) == 1


def test_provider_is_asked_no_more_often_from_one_address_than_passwords_are_guessed(
    app: App, provider: Provider
) -> None:
    provider.claims["aud"] = "somebody else"
    found = []
    for _ in range(TRIES_PER_ADDRESS + 5):
        jo = another_browser(app)
        found.append(come_back(jo, go(provider, jo)).status_code)
    assert found == [403] * TRIES_PER_ADDRESS + [429] * 5
    assert calls_of(provider) == TRIES_PER_ADDRESS


def test_keys_that_cannot_be_read_spoil_none_that_can(app: App, provider: Provider) -> None:
    provider.claims = {"email": USER}
    bad = [None, "a", {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}, {"kty": "RSA"}]
    provider.keys = [*bad, provider.key.as_dict(private=False)]
    browser = another_browser(app)
    assert come_back(browser, go(provider, browser)).status_code == 303


@pytest.mark.parametrize("keys", ["x", ["a"], [None], {"a": 1}, [], 7], ids=str)
def test_provider_without_a_key_is_told(app: App, provider: Provider, keys: Any) -> None:
    provider.claims, provider.keys = {"email": USER}, keys
    browser = another_browser(app)
    reply = come_back(browser, go(provider, browser))
    assert reply.status_code == 503
    assert "no key" in reply.text


def test_provider_that_was_away_is_left_alone_for_a_moment(app: App, provider: Provider) -> None:
    issuer, provider.issuer = provider.issuer, "https://other.example"
    for _ in range(3):
        assert app.client.get("/admin/sign-on").status_code == 503
    provider.issuer = issuer
    assert app.client.get("/admin/sign-on").status_code == 503
    sign_on = services_of(app).sign_on
    assert sign_on
    sign_on._clock = lambda: services_of(app).clock() + LEFT_ALONE_FOR
    assert app.client.get("/admin/sign-on").status_code == 303


def test_first_sign_ons_at_once_are_one(app: App) -> None:
    made, known = services_of(app), Known("a subject", USER)

    async def look() -> Any:
        async with made.database.write() as connection:
            return await account_of(connection, known, now=made.clock())

    async def all_at_once() -> list[Any]:
        return list(await asyncio.gather(*(look() for _ in range(5))))

    assert app.client.portal
    assert len(set(app.client.portal.call(all_at_once))) == 1
    assert [act for _, act in acts(app)].count("sign.on.joined") == 1


def test_link_for_a_new_password_lets_the_provider_change(app: App, provider: Provider) -> None:
    invite(app)
    jo = another_browser(app)
    assert come_back(jo, go(provider, jo)).status_code == 303
    provider.claims = {"sub": "another"}
    assert come_back(jo, go(provider, jo)).status_code == 403
    path = f"/admin/users/{id_of(app, 'jo@example.com')}/reset"
    (link,) = re.findall(r"/admin/reset/[\w-]+", post(app, path).text)
    assert post(app, link, another_browser(app), password=PASSWORD).status_code == 200
    assert come_back(jo, go(provider, jo)).status_code == 303


def test_what_the_provider_refuses_is_told(app: App, provider: Provider) -> None:
    browser = another_browser(app)
    asked = go(provider, browser)
    back = "/admin/sign-on/back"
    query = {"state": asked["state"], "error": "access_denied<script>"}
    reply = browser.get(back, params=query, headers={"Accept": "text/html"})
    assert reply.status_code == 403
    assert "access_denied&lt;script&gt;" in reply.text


@pytest.mark.parametrize(
    "metadata", [{"issuer": "https://other.example"}, {"jwks_uri": None}, {"token_endpoint": 7}], ids=str
)
def test_provider_that_is_not_the_one_is_told(app: App, provider: Provider, metadata: dict[str, Any]) -> None:
    provider.metadata = metadata
    reply = app.client.get("/admin/sign-on", headers={"Accept": "text/html"})
    assert reply.status_code == 503
    assert "TEVREDEN_OIDC_ISSUER" in reply.text


def test_provider_that_is_away_keeps_nobody_with_a_password_out(app: App, provider: Provider) -> None:
    provider.metadata = {"token_endpoint": "http://127.0.0.1:9/"}
    browser = another_browser(app)
    asked = go(provider, browser)
    reply = come_back(browser, asked)
    assert reply.status_code == 503
    assert "cannot be reached" in reply.text
    assert "<h1>The single sign-on provider does not respond</h1>" in reply.text
    assert "stored" not in reply.text
    assert sign_in(app).status_code == 303


def test_public_client_proves_itself_by_its_verifier_alone(app: App, provider: Provider) -> None:
    provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    provider.claims = {"email": USER}
    browser = another_browser(app)
    assert come_back(browser, go(provider, browser)).status_code == 303
    (form,) = provider.asked
    assert (form["authorization"], form["client_secret"]) == ("", CLIENT_SECRET)


def test_removed_person_is_out_here_too(app: App, provider: Provider) -> None:
    invite(app)
    jo = another_browser(app)
    come_back(jo, go(provider, jo))
    assert post(app, f"/admin/users/{id_of(app, 'jo@example.com')}/remove").status_code == 303
    assert jo.get("/admin/sites").status_code == 303
    assert come_back(jo, go(provider, jo)).status_code == 403


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"oidc_issuer": "https://id.example"}, "TEVREDEN_OIDC_CLIENT_ID"),
        ({"oidc_client_id": "x"}, "TEVREDEN_OIDC_ISSUER"),
        ({"oidc_issuer": "http://id.example", "oidc_client_id": "x"}, "TEVREDEN_OIDC_ISSUER must be"),
        ({"oidc_issuer": "id.example", "oidc_client_id": "x"}, "TEVREDEN_OIDC_ISSUER must be"),
    ],
    ids=str,
)
def test_setting_that_wont_do_is_named(values: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as told:
        load(**values)
    assert re.search(said, str(told.value))
