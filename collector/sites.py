"""Websites that carry the tag."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.errors import Conflict, Fault, Invalid, NotFound, readable_name
from collector.schema import new_id, sites
from collector.signing import is_key, new_site_key


@dataclass(frozen=True)
class Site:
    id: UUID
    key: str
    name: str
    created_at: datetime
    consent_required: bool = False
    """Nothing shows and nothing is stored in a browser before its visitor agreed, whatever the tag says."""
    kept_parameters: frozenset[str] = frozenset()
    """The query parameters that are stored with the address of a page; all others are dropped."""


async def create_site(connection: AsyncConnection, name: str, *, now: datetime) -> Site:
    """Raises `Invalid` for a name that is none, `Conflict` for one that is taken."""
    name = readable_name(name)
    site = Site(new_id(), new_site_key(), name, now)
    try:
        await connection.execute(insert(sites).values(id=site.id, key=site.key, name=site.name, created_at=now))
    except IntegrityError:
        raise Conflict(faults=[Fault("/name", "another site has this name already")]) from None
    return site


async def list_sites(connection: AsyncConnection) -> list[Site]:
    return [_site(row) for row in await connection.execute(select(sites).order_by(sites.c.name, sites.c.id))]


async def site_by_key(connection: AsyncConnection, key: str) -> Site:
    """Raises `NotFound`."""
    # not every store can be asked for every text
    row = (await connection.execute(select(sites).where(sites.c.key == key))).one_or_none() if is_key(key) else None
    if row is None:
        raise NotFound("No site has this key.")
    return _site(row)


async def site_by_id(connection: AsyncConnection, site_id: UUID) -> Site:
    """Raises `NotFound`."""
    row = (await connection.execute(select(sites).where(sites.c.id == site_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such site.")
    return _site(row)


async def only_site(connection: AsyncConnection) -> Site:
    """The installation's one site, for calls that name none. Raises `Invalid` when there are none or several."""
    everything = await list_sites(connection)
    if len(everything) != 1:
        raise Invalid(f"There are {len(everything)} sites: name one with ?site=KEY.")
    return everything[0]


def _site(row: Row[Any]) -> Site:
    return Site(row.id, row.key, row.name, row.created_at, row.consent_required, frozenset(row.kept_parameters))
