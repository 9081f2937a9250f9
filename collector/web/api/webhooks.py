"""REST for webhooks: where a site's events are sent to, what became of each delivery, and sending one again."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from collector.access.audit import Act, record
from collector.access.tokens import Token
from collector.automations.webhooks import Webhook, create_webhook, delete_webhook, get_webhook, list_webhooks
from collector.db.outbox import get_job, list_jobs, redo
from collector.errors import NotFound
from collector.web.api.openapi import Endpoint
from collector.web.api.resources import (
    DeliveryList,
    DeliveryResource,
    NewWebhook,
    WebhookList,
    WebhookResource,
    read_new_webhook,
)
from collector.web.api.rest import CURSOR, LIMIT, SITE, answer, limit_of, signing_on, site_of
from collector.web.http.auth import require_token
from collector.web.http.shared import house_of, read_json


async def webhooks_list(request: Request) -> Response:
    await require_token(request)
    house = house_of(request)
    async with house.database.read() as connection:
        site = await site_of(request, connection)
        found = await list_webhooks(connection, site.id)
        signing = await signing_on(request, connection, site)
    return answer(WebhookList(items=[WebhookResource.of(one, signing) for one in found], next=None))


async def webhooks_create(request: Request) -> Response:
    token = await require_token(request)
    house = house_of(request)
    url = read_new_webhook(await read_json(request))
    async with house.database.write() as connection:
        site = await site_of(request, connection, "owner")
        networks = house.settings.networks
        webhook = await create_webhook(connection, site.id, url, now=house.clock(), networks=networks)
        await _note(connection, token, "webhook.added", webhook, house.clock())
        signing = await signing_on(request, connection, site)
        await house.database.tell(connection)
    house.live.forget()
    return answer(WebhookResource.of(webhook, signing), 201)


async def webhooks_get(request: Request) -> Response:
    await require_token(request)
    house = house_of(request)
    async with house.database.read() as connection:
        site = await site_of(request, connection)
        webhook = await get_webhook(connection, site.id, request.path_params["id"])
        signing = await signing_on(request, connection, site)
    return answer(WebhookResource.of(webhook, signing))


async def webhooks_delete(request: Request) -> Response:
    token = await require_token(request)
    house = house_of(request)
    async with house.database.write() as connection:
        site = await site_of(request, connection, "owner")
        webhook = await get_webhook(connection, site.id, request.path_params["id"])
        await delete_webhook(connection, site.id, webhook.id)
        await _note(connection, token, "webhook.removed", webhook, house.clock())
        await house.database.tell(connection)
    house.live.forget()
    return Response(status_code=204)


async def _note(connection: AsyncConnection, token: Token, act: Act, webhook: Webhook, now: datetime) -> None:
    """In the log, with the host alone: the rest of the address may be secret."""
    host = urlsplit(webhook.url).hostname
    await record(connection, token.who, act, host, now=now, site_id=webhook.site_id)


async def deliveries_list(request: Request) -> Response:
    await require_token(request)
    limit, cursor = limit_of(request), request.query_params.get("cursor")
    async with house_of(request).database.read() as connection:
        site = await site_of(request, connection)
        webhook = await get_webhook(connection, site.id, request.path_params["id"])
        rows, following = await list_jobs(connection, site.id, webhook.id, limit=limit, cursor=cursor)
    return answer(DeliveryList(items=[DeliveryResource.of(row) for row in rows], next=following))


async def deliveries_redo(request: Request) -> Response:
    await require_token(request)
    house = house_of(request)
    async with house.database.write() as connection:
        site = await site_of(request, connection, "owner")
        webhook = await get_webhook(connection, site.id, request.path_params["id"])
        job = await get_job(connection, site.id, request.path_params["delivery"])
        if job.target_id != webhook.id:
            raise NotFound("This webhook has no such delivery.")
        await redo(connection, site.id, job.id, now=await house.database.now(connection, house.clock))
        job = await get_job(connection, site.id, job.id)
    house.wake_worker()
    return answer(DeliveryResource.of(job))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/webhooks",
        webhooks_list,
        "List the webhooks of a site",
        WebhookList,
        query=(SITE,),
        problems=(404, 422),
    ),
    Endpoint(
        "POST",
        "/webhooks",
        webhooks_create,
        "Send every new response of a site to an address, signed as Standard Webhooks has it",
        WebhookResource,
        NewWebhook,
        201,
        query=(SITE,),
        problems=(404, 409),
    ),
    Endpoint(
        "GET", "/webhooks/{id}", webhooks_get, "Read a webhook", WebhookResource, query=(SITE,), problems=(404, 422)
    ),
    Endpoint(
        "DELETE",
        "/webhooks/{id}",
        webhooks_delete,
        "Send nothing there any more, and forget what waited for it",
        None,
        query=(SITE,),
        problems=(404, 422),
    ),
    Endpoint(
        "GET",
        "/webhooks/{id}/deliveries",
        deliveries_list,
        "List what was or will be sent, newest first",
        DeliveryList,
        query=(SITE, LIMIT, CURSOR),
        problems=(404, 422),
    ),
    Endpoint(
        "POST",
        "/webhooks/{id}/deliveries/{delivery}/redo",
        deliveries_redo,
        "Send again, under the same id, what was delivered or given up",
        DeliveryResource,
        query=(SITE,),
        problems=(404, 409, 422),
    ),
)
