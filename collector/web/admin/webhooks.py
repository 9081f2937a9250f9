"""Where a site's events are sent to, what became of each delivery, and sending one again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access.accounts import User
from collector.access.roles import site_for
from collector.access.sites import Site
from collector.automations.webhooks import (
    MOST,
    Webhook,
    create_webhook,
    delete_webhook,
    deliver_again,
    get_webhook,
    list_webhooks,
    message_id,
    renew_secret,
)
from collector.db.moments import moment
from collector.db.outbox import list_jobs
from collector.errors import Conflict, Invalid
from collector.web.admin.shell import admin_page
from collector.web.http.auth import press, read_form, require_user, sentence_of
from collector.web.http.services import services_of

DELIVERIES = 50
"""On one page."""
CHIPS = {"waiting": "paused", "done": "published", "failed": "failed"}
STATUS_WORDS = {"waiting": "Waiting", "done": "Delivered", "failed": "Failed"}


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one webhook, as the list shows it; ``sent`` is what is sent, ``event`` what it says."""

    job: Row[Any]
    message_id: str
    event: str
    sent: str

    @classmethod
    def of(cls, job: Row[Any]) -> Delivery:
        payload = json.loads(job.payload)
        sent = json.dumps(payload, indent=2, ensure_ascii=False)
        return cls(job, message_id(job.id), str(payload.get("type", "")), sent)

    @property
    def chip(self) -> str:
        """How its status looks."""
        return CHIPS[self.job.status]

    @property
    def status(self) -> str:
        return "Trying again" if self.job.status == "waiting" and self.job.attempts else STATUS_WORDS[self.job.status]


def host_of(webhook: Webhook) -> str:
    return urlsplit(webhook.url).netloc


async def webhooks(request: Request) -> Response:
    user = await require_user(request)
    return await _webhooks(request, user)


async def _webhooks(request: Request, user: User, url: str = "", wrong: str = "", status: int = 200) -> Response:
    async with services_of(request).database.read() as connection:
        site, _ = await site_for(connection, user, request.path_params["site"], "owner")
        found = await list_webhooks(connection, site.id)
        lines = [(one, await _latest(connection, one)) for one in found]
    return await admin_page(
        request,
        "webhooks.html",
        status=status,
        user=user,
        site=site,
        here="settings",
        lines=lines,
        moment=moment,
        most=MOST,
        url=url,
        wrong_url=wrong,
    )


async def _latest(connection: AsyncConnection, webhook: Webhook) -> Delivery | None:
    rows, _ = await list_jobs(connection, webhook.site_id, webhook.id, limit=1)
    return Delivery.of(rows[0]) if rows else None


async def add(request: Request) -> Response:
    form = await read_form(request)
    user = await require_user(request)
    services, url = services_of(request), form.get("url", "").strip()
    try:
        async with services.database.write() as connection:
            site, _ = await site_for(connection, user, request.path_params["site"], "owner")
            networks = services.settings.networks
            there = next((one for one in await list_webhooks(connection, site.id) if one.url == url), None)
            made = there or await create_webhook(
                connection, site.id, url, by=user.email, now=services.clock(), networks=networks
            )
    except (Invalid, Conflict) as error:
        return await _webhooks(request, user, url, sentence_of(error, "url"), error.status)
    return RedirectResponse(f"/admin/{site.key}/settings/webhooks/{made.id}?added", 303)


async def _own(connection: AsyncConnection, user: User, request: Request) -> tuple[Site, Webhook]:
    """Raises `NotFound`, and `Forbidden` for who does not own the site."""
    site, _ = await site_for(connection, user, request.path_params["site"], "owner")
    return site, await get_webhook(connection, site.id, request.path_params["webhook"])


async def webhook(request: Request) -> Response:
    """One of them, with its secret and its deliveries, the newest first."""
    user = await require_user(request)
    services, now = services_of(request), services_of(request).clock()
    async with services.database.read() as connection:
        site, found = await _own(connection, user, request)
        cursor = request.query_params.get("cursor")
        rows, older = await list_jobs(connection, site.id, found.id, limit=DELIVERIES, cursor=cursor)
    return await admin_page(
        request,
        "webhook.html",
        user=user,
        site=site,
        here="settings",
        webhook=found,
        host=host_of(found),
        secret=services.signing.webhook_secret(found.id, found.secret_version),
        holds_until=found.secret_until if found.secret_until and found.secret_until > now else None,
        moment=moment,
        deliveries=[Delivery.of(row) for row in rows],
        is_newest=cursor is None,
        older=older,
        is_added="added" in request.query_params,
    )


async def renew(request: Request) -> Response:
    """The secret that the page showed: pressed twice, it is renewed once."""
    form = await read_form(request)

    async def act(connection: AsyncConnection, user: User, now: datetime) -> None:
        _, found = await _own(connection, user, request)
        if form.get("version") != str(found.secret_version):
            return
        await renew_secret(connection, found, by=user.email, now=now)

    return await press(request, act, _address(request))


async def remove(request: Request) -> Response:
    async def act(connection: AsyncConnection, user: User, now: datetime) -> None:
        _, found = await _own(connection, user, request)
        await delete_webhook(connection, found, by=user.email, now=now)

    return await press(request, act, f"/admin/{request.path_params['site']}/settings/webhooks")


async def send_again(request: Request) -> Response:
    services = services_of(request)

    async def act(connection: AsyncConnection, user: User, __: datetime) -> None:
        _, found = await _own(connection, user, request)
        now = await services.database.now(connection, services.clock)
        await deliver_again(connection, found, request.path_params["delivery"], now=now)

    answer = await press(request, act, _address(request))
    services.wake_worker()
    return answer


def _address(request: Request) -> str:
    return f"/admin/{request.path_params['site']}/settings/webhooks/{request.path_params['webhook']}"


PLACE = "/admin/{site}/settings/webhooks"
ONE = f"{PLACE}/{{webhook:uuid}}"
routes = [
    Route(PLACE, webhooks),
    Route(PLACE, add, methods=["POST"]),
    Route(ONE, webhook),
    Route(f"{ONE}/secret", renew, methods=["POST"]),
    Route(f"{ONE}/remove", remove, methods=["POST"]),
    Route(f"{ONE}/deliveries/{{delivery:uuid}}/redo", send_again, methods=["POST"]),
]
