"""REST for webhooks: where a site's events are sent to, what became of each delivery, and sending one again."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from collector.automations.webhooks import (
    create_webhook,
    delete_webhook,
    deliver_again,
    get_webhook,
    list_webhooks,
    renew_secret,
)
from collector.db.outbox import get_job, list_jobs
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
from collector.web.http.bodies import read_json
from collector.web.http.services import services_of


async def webhooks_list(request: Request) -> Response:
    await require_token(request)
    services = services_of(request)
    async with services.database.read() as connection:
        site = await site_of(request, connection)
        found = await list_webhooks(connection, site.id)
        signing = await signing_on(request, connection, site)
    return answer(WebhookList(items=[WebhookResource.of(one, signing) for one in found], next=None))


async def webhooks_create(request: Request) -> Response:
    token = await require_token(request)
    services = services_of(request)
    url = read_new_webhook(await read_json(request))
    async with services.database.write() as connection:
        site = await site_of(request, connection, "owner")
        networks = services.settings.networks
        webhook = await create_webhook(connection, site.id, url, by=token.who, now=services.clock(), networks=networks)
        signing = await signing_on(request, connection, site)
    return answer(WebhookResource.of(webhook, signing), 201)


async def webhooks_get(request: Request) -> Response:
    await require_token(request)
    services = services_of(request)
    async with services.database.read() as connection:
        site = await site_of(request, connection)
        webhook = await get_webhook(connection, site.id, request.path_params["id"])
        signing = await signing_on(request, connection, site)
    return answer(WebhookResource.of(webhook, signing))


async def webhooks_delete(request: Request) -> Response:
    token = await require_token(request)
    services = services_of(request)
    async with services.database.write() as connection:
        site = await site_of(request, connection, "owner")
        webhook = await get_webhook(connection, site.id, request.path_params["id"])
        await delete_webhook(connection, webhook, by=token.who, now=services.clock())
    return Response(status_code=204)


async def webhooks_renew(request: Request) -> Response:
    token = await require_token(request)
    services = services_of(request)
    async with services.database.write() as connection:
        site = await site_of(request, connection, "owner")
        webhook = await get_webhook(connection, site.id, request.path_params["id"])
        webhook = await renew_secret(connection, webhook, by=token.who, now=services.clock())
        signing = await signing_on(request, connection, site)
    return answer(WebhookResource.of(webhook, signing))


async def deliveries_list(request: Request) -> Response:
    await require_token(request)
    limit, cursor = limit_of(request), request.query_params.get("cursor")
    async with services_of(request).database.read() as connection:
        site = await site_of(request, connection)
        webhook = await get_webhook(connection, site.id, request.path_params["id"])
        rows, following = await list_jobs(connection, site.id, webhook.id, limit=limit, cursor=cursor)
    return answer(DeliveryList(items=[DeliveryResource.of(row) for row in rows], next=following))


async def deliveries_redo(request: Request) -> Response:
    await require_token(request)
    services = services_of(request)
    async with services.database.write() as connection:
        site = await site_of(request, connection, "owner")
        webhook = await get_webhook(connection, site.id, request.path_params["id"])
        delivery = request.path_params["delivery"]
        now = await services.database.now(connection, services.clock)
        await deliver_again(connection, webhook, delivery, now=now)
        job = await get_job(connection, site.id, delivery)
    services.wake_worker()
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
        "Add a webhook that receives every new response, signed by the Standard Webhooks scheme",
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
        "Delete a webhook and its waiting deliveries",
        None,
        query=(SITE,),
        problems=(404, 422),
    ),
    Endpoint(
        "POST",
        "/webhooks/{id}/secret",
        webhooks_renew,
        "Renew the signing secret; events are also signed with the previous one for seven more days",
        WebhookResource,
        query=(SITE,),
        problems=(404, 409, 422),
    ),
    Endpoint(
        "GET",
        "/webhooks/{id}/deliveries",
        deliveries_list,
        "List deliveries, newest first",
        DeliveryList,
        query=(SITE, LIMIT, CURSOR),
        problems=(404, 422),
    ),
    Endpoint(
        "POST",
        "/webhooks/{id}/deliveries/{delivery}/redo",
        deliveries_redo,
        "Send a delivery again, with the same ID",
        DeliveryResource,
        query=(SITE,),
        problems=(404, 409, 422),
    ),
)
