"""The secret that a site's own server signs e-mail addresses with, and how to."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.access.accounts import User
from collector.access.roles import site_for
from collector.access.sites import renew_identify_secret
from collector.db.moments import moment
from collector.web.admin.shell import admin_page
from collector.web.http.auth import press, read_form, require_user
from collector.web.http.services import services_of

EXAMPLES = (
    (
        "Python",
        "import hashlib, hmac\n\n"
        "address = email.strip().lower().encode()\n"
        "signature = hmac.new(SECRET.encode(), address, hashlib.sha256).hexdigest()",
    ),
    (
        "PHP",
        "$signature = hash_hmac('sha256', mb_strtolower(trim($email), 'UTF-8'), $secret);",
    ),
    (
        "Node",
        'import { createHmac } from "node:crypto";\n\n'
        "const address = email.trim().toLowerCase();\n"
        'const signature = createHmac("sha256", secret).update(address).digest("hex");',
    ),
    (
        "Ruby",
        'require "openssl"\n\nsignature = OpenSSL::HMAC.hexdigest("SHA256", secret, email.strip.downcase)',
    ),
)
"""How to sign an address, by language."""
ON_THE_PAGE = """<script>
  window.tevreden ||= [];
  tevreden.push(["identify", { email: "anna@example.com" }, "SIGNATURE"]);
</script>"""


async def identify(request: Request) -> Response:
    user = await require_user(request)
    services, now = services_of(request), services_of(request).clock()
    async with services.database.read() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "owner")
    return await admin_page(
        request,
        "identify.html",
        user=user,
        site=site,
        here="settings",
        secret=services.signing.identify_secret(site.key, site.identify_version),
        version=site.identify_version,
        holds_until=site.identify_until if site.identify_until and site.identify_until > now else None,
        moment=moment,
        examples=EXAMPLES,
        on_the_page=ON_THE_PAGE,
    )


async def renew(request: Request) -> Response:
    """The secret that the page showed: pressed twice, it is renewed once."""
    form = await read_form(request)

    async def act(connection: AsyncConnection, user: User, now: datetime) -> None:
        site, _ = await site_for(connection, user, request.path_params["site"], "owner")
        if form.get("version") != str(site.identify_version):
            return
        await renew_identify_secret(connection, site, by=user.email, now=now)

    return await press(request, act, f"/admin/{request.path_params['site']}/settings/identify")


routes = [
    Route("/admin/{site}/settings/identify", identify),
    Route("/admin/{site}/settings/identify", renew, methods=["POST"]),
]
