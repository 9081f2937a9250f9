"""Where a site's events are sent to, and what is sent: the Standard Webhooks form."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.audit import Act, record
from collector.access.sites import SECRETS_OVERLAP, note_site_change, versions_at
from collector.channels.outbound import Network, Refused, check_address
from collector.db.ids import new_id
from collector.db.outbox import forget_target, get_job, redo
from collector.db.schema import sites, webhooks
from collector.errors import Conflict, Fault, Invalid, NotFound

KIND = "webhook"
"""The kind of job that delivers one event to one webhook."""
MOST = 20
"""Webhooks of one site."""
Place = tuple[int, UUID]
"""The ids of a site and of one of its webhooks."""


@dataclass(frozen=True)
class Webhook:
    site_id: int
    id: UUID
    url: str
    created_at: datetime
    secret_version: int = 1
    secret_until: datetime | None = None
    """Until when the secret before the one in use signs as well."""

    def secret_versions(self, now: datetime) -> tuple[int, ...]:
        """Of the secrets that sign now, the one in use first."""
        return versions_at(self.secret_version, self.secret_until, now)


async def create_webhook(
    connection: AsyncConnection, site_id: int, url: str, *, by: str, now: datetime, networks: Sequence[Network] = ()
) -> Webhook:
    """Send a site's events to an address from now on; ``networks`` are those that may be called though not public.

    Raises `Invalid` for an address that nothing can be sent to, `Conflict` for one too many.
    """
    try:
        check_address(url, networks)
    except Refused as refused:
        raise Invalid(faults=[Fault("/url", str(refused))]) from None
    # One at a time for each site, where several processes write; answers, which refer to the site, do not wait for it.
    await connection.execute(select(sites.c.id).where(sites.c.id == site_id).with_for_update(key_share=True))
    if len(await list_webhooks(connection, site_id)) >= MOST:
        raise Conflict(f"A site has at most {MOST} webhooks.")
    webhook = Webhook(site_id, new_id(), url, now)
    await connection.execute(insert(webhooks).values(site_id=site_id, id=webhook.id, url=url, created_at=now))
    await _note(connection, webhook, "webhook.added", by, now)
    return webhook


async def list_webhooks(connection: AsyncConnection, site_id: int) -> list[Webhook]:
    """Oldest first."""
    query = select(webhooks).where(webhooks.c.site_id == site_id).order_by(webhooks.c.id)
    return [_webhook(row) for row in await connection.execute(query)]


async def get_webhook(connection: AsyncConnection, site_id: int, webhook_id: UUID) -> Webhook:
    """Raises `NotFound`."""
    query = select(webhooks).where(webhooks.c.site_id == site_id, webhooks.c.id == webhook_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound("Webhook not found.")
    return _webhook(row)


async def find_webhooks(connection: AsyncConnection, wanted: Collection[Place]) -> dict[Place, Webhook]:
    """Those that there are, by their site's id and their own."""
    sites_, ids = {site for site, _ in wanted}, {webhook for _, webhook in wanted}
    query = select(webhooks).where(webhooks.c.site_id.in_(sites_), webhooks.c.id.in_(ids))
    return {(row.site_id, row.id): _webhook(row) for row in await connection.execute(query)}


async def webhooks_of(connection: AsyncConnection, site_ids: Collection[int]) -> dict[int, list[UUID]]:
    """The ids of the webhooks of some sites, oldest first."""
    query = select(webhooks.c.site_id, webhooks.c.id).where(webhooks.c.site_id.in_(site_ids))
    found: dict[int, list[UUID]] = {}
    for row in await connection.execute(query.order_by(webhooks.c.site_id, webhooks.c.id)):
        found.setdefault(row.site_id, []).append(row.id)
    return found


async def renew_secret(connection: AsyncConnection, webhook: Webhook, *, by: str, now: datetime) -> Webhook:
    """Another secret; the one before signs as well for `SECRETS_OVERLAP`."""
    version = webhook.secret_version
    renewed = replace(webhook, secret_version=version + 1, secret_until=now + SECRETS_OVERLAP)
    here = webhooks.c.site_id == webhook.site_id, webhooks.c.id == webhook.id, webhooks.c.secret_version == version
    values = {"secret_version": renewed.secret_version, "secret_until": renewed.secret_until}
    done = await connection.execute(update(webhooks).where(*here).values(values))
    if not done.rowcount:
        raise Conflict("Someone else renewed this secret in the meantime.")
    await _note(connection, webhook, "webhook.renewed", by, now)
    return renewed


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(row.site_id, row.id, row.url, row.created_at, row.secret_version, row.secret_until)


async def deliver_again(connection: AsyncConnection, webhook: Webhook, delivery_id: UUID, *, now: datetime) -> None:
    """Send once more, under the same id, what was delivered or given up. Raises `NotFound`, or `Conflict` while it
    waits."""
    job = await get_job(connection, webhook.site_id, delivery_id)
    if job.target_id != webhook.id:
        raise NotFound("This webhook has no such delivery.")
    await redo(connection, webhook.site_id, job.id, now=now)


async def delete_webhook(connection: AsyncConnection, webhook: Webhook, *, by: str, now: datetime) -> None:
    """Delete a webhook and its waiting deliveries."""
    await forget_target(connection, webhook.site_id, webhook.id)
    here = webhooks.c.site_id == webhook.site_id, webhooks.c.id == webhook.id
    await connection.execute(delete(webhooks).where(*here))
    await _note(connection, webhook, "webhook.removed", by, now)


async def _note(connection: AsyncConnection, webhook: Webhook, act: Act, by: str, now: datetime) -> None:
    """In the log with the host alone, since the rest of the address may be secret; and to whoever counts webhooks."""
    await record(connection, by, act, urlsplit(webhook.url).hostname, now=now, site_id=webhook.site_id)
    await note_site_change(connection, webhook.site_id)


def message_id(job_id: UUID) -> str:
    """The id under which an event is sent, the same at every try."""
    return f"msg_{job_id.hex}"
