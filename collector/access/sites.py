"""Websites that carry the tag."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.audit import record
from collector.access.keys import is_key, new_site_key
from collector.db.changes import note_change
from collector.db.scheduling import put_over
from collector.db.schema import sites
from collector.db.text import readable_name
from collector.errors import Conflict, Fault, Invalid, NotFound

MOST_PARAMETERS = 20
"""Query parameters that a site keeps with the addresses of pages."""
MOST_QUIET_DAYS = 365
NAME_TAKEN = "another site already has this name"
RECOUNT = "recount"
"""The kind of job that counts a site's answers over by the days of another time zone."""
SECRETS_OVERLAP = timedelta(days=7)
"""How long the secret before the one in use is good as well, so that nobody has to change both sides at one moment."""
_PARAMETER = re.compile(r"[^\s&=#?\x00-\x1f\x7f]{1,64}")
_LOGO = re.compile(r"/i/[A-Za-z0-9_-]{1,128}\.[a-z]{2,5}")
_COLOR = re.compile(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")


@dataclass(frozen=True)
class Brand:
    """What makes surveys look like their site's own."""

    logo: str | None = None
    """Where its picture is beneath the collector's address, such as ``/i/SITE-HASH.png``."""
    color: str | None = None
    """``#rgb`` or ``#rrggbb``: the colour of surveys for which none was chosen."""

    @classmethod
    def read(cls, logo: str | None, color: str | None) -> Brand:
        """Raises `Invalid`."""
        if logo and not _LOGO.fullmatch(logo):
            raise Invalid(
                faults=[Fault("/brand/logo", "must be the address of an uploaded image, such as /i/SITE-HASH.png")]
            )
        if color and not _COLOR.fullmatch(color):
            raise Invalid(faults=[Fault("/brand/color", "must be a colour as #rgb or #rrggbb, such as #0b7a75")])
        return cls(logo or None, color or None)

    def stored(self) -> dict[str, str]:
        """What there is of it, as JSON."""
        return {name: value for name, value in (("logo", self.logo), ("color", self.color)) if value}


@dataclass(frozen=True)
class Frequency:
    """How often one browser is shown surveys of a site, over all of them; each has rules of its own as well."""

    quiet_days: int = 0
    """Days during which a browser that was shown a survey is shown no other; 0 for none."""
    once_per_session: bool = True
    """One survey a session, which ends after 30 minutes without a page view."""

    @classmethod
    def read(cls, quiet_days: int | None, once_per_session: bool) -> Frequency:
        """Raises `Invalid`."""
        days = quiet_days or 0
        if not 0 <= days <= MOST_QUIET_DAYS:
            told = f"must be a whole number of days from 0, for none, to {MOST_QUIET_DAYS}"
            raise Invalid(faults=[Fault("/frequency/quiet_days", told)])
        return cls(days, once_per_session)

    def stored(self) -> dict[str, Any]:
        """What is not at its default, as JSON."""
        quiet = {"quiet_days": self.quiet_days} if self.quiet_days else {}
        return quiet | ({} if self.once_per_session else {"once_per_session": False})


@dataclass(frozen=True)
class SiteSettings:
    consent_required: bool = False
    """Nothing shows and nothing is stored in a browser before its visitor agreed, whatever the tag says."""
    kept_parameters: frozenset[str] = frozenset()
    """The query parameters that are stored with the address of a page; all others are dropped."""
    brand: Brand = Brand()
    time_zone: str = "UTC"
    """By whose days answers are counted: a name of the IANA's, such as Europe/Amsterdam."""
    frequency: Frequency = Frequency()

    @classmethod
    def read(
        cls,
        consent_required: bool,
        kept_parameters: Collection[str],
        brand: Brand = Brand(),
        time_zone: str = "UTC",
        frequency: Frequency = Frequency(),
    ) -> SiteSettings:
        """Raises `Invalid`."""
        if time_zone not in zone_names():
            raise Invalid(faults=[Fault("/time_zone", "must be a time zone such as Europe/Amsterdam")])
        kept = frozenset(kept_parameters)
        if len(kept) > MOST_PARAMETERS:
            raise Invalid(faults=[Fault("/kept_parameters", f"must be {MOST_PARAMETERS} at most")])
        wrong = sorted(one for one in kept if not _PARAMETER.fullmatch(one) or not one.isprintable())
        if wrong:
            told = f"must be names such as utm_campaign, of 64 characters at most: “{wrong[0][:64]}” is none"
            raise Invalid(faults=[Fault("/kept_parameters", told)])
        return cls(consent_required, kept, brand, time_zone, frequency)

    @property
    def zone(self) -> tzinfo:
        """`time_zone`; UTC on a machine that does not know it."""
        return _zone(self.time_zone)

    def stored(self) -> dict[str, Any]:
        """What is not at its default, as JSON."""
        kept = {"kept_parameters": sorted(self.kept_parameters)} if self.kept_parameters else {}
        brand = {"brand": self.brand.stored()} if self.brand != Brand() else {}
        zone = {"time_zone": self.time_zone} if self.time_zone != "UTC" else {}
        frequency = {"frequency": self.frequency.stored()} if self.frequency != Frequency() else {}
        return kept | brand | zone | frequency | ({"consent_required": True} if self.consent_required else {})

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> SiteSettings:
        """Of what `stored` gave."""
        brand, kept = Brand(**stored.get("brand", {})), frozenset(stored.get("kept_parameters", ()))
        zone, frequency = stored.get("time_zone", "UTC"), Frequency(**stored.get("frequency", {}))
        return cls(stored.get("consent_required", False), kept, brand, zone, frequency)


@cache
def zone_names() -> frozenset[str]:
    """Every time zone that this machine knows."""
    return frozenset(available_timezones()) | {"UTC"}


@cache
def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


@dataclass(frozen=True)
class Site:
    """``id`` is the number that tables name it by; nobody outside sees it."""

    id: int
    key: str
    name: str
    created_at: datetime
    settings: SiteSettings
    identify_version: int = 1
    """Of the secret that e-mail addresses are signed with."""
    identify_until: datetime | None = None
    """Until when the one before it is good as well."""
    tag_seen_at: datetime | None = None
    """When a page asked for the script last, to the hour."""
    tag_seen_on: str | None = None
    """The host of that page, as its browser gave it."""

    def identify_versions(self, now: datetime) -> tuple[int, ...]:
        """Of the secrets that are good now, the one in use first."""
        return versions_at(self.identify_version, self.identify_until, now)


async def create_site(connection: AsyncConnection, name: str, *, by: str, now: datetime) -> Site:
    """Raises `Invalid` for a name that is none, `Conflict` for one that is taken."""
    name = readable_name(name)
    key = new_site_key()
    try:
        made = await connection.execute(insert(sites).values(key=key, name=name, created_at=now).returning(sites.c.id))
    except IntegrityError:
        raise Conflict(faults=[Fault("/name", NAME_TAKEN)]) from None
    site = Site(made.scalar_one(), key, name, now, SiteSettings())
    await record(connection, by, "site.added", site.name, now=now, site_id=site.id)
    note_change(connection, site.key)  # its key may have been asked for before
    return site


async def change_site(
    connection: AsyncConnection, site: Site, settings: SiteSettings, *, by: str, now: datetime
) -> Site:
    """Give a site other settings. In another time zone everything is counted over, beside what comes in."""
    if settings.time_zone != site.settings.time_zone:
        await put_over(connection, site.id, RECOUNT, now=now)
    await connection.execute(update(sites).where(sites.c.id == site.id).values(settings=settings.stored()))
    await record(connection, by, "site.changed", site.name, now=now, site_id=site.id)
    note_change(connection, site.key)
    return replace(site, settings=settings)


async def note_tag(connection: AsyncConnection, key: str, host: str, *, now: datetime) -> None:
    """A page of this host has asked for a site's script."""
    await connection.execute(update(sites).where(sites.c.key == key).values(tag_seen_at=now, tag_seen_on=host))


async def rename_site(connection: AsyncConnection, site: Site, name: str, *, by: str, now: datetime) -> Site:
    """Raises `Invalid` for a name that is none, `Conflict` for one that is taken."""
    name = readable_name(name)
    if name == site.name:
        return site
    try:
        async with connection.begin_nested():
            await connection.execute(update(sites).where(sites.c.id == site.id).values(name=name))
    except IntegrityError:
        raise Conflict(faults=[Fault("/name", NAME_TAKEN)]) from None
    await record(connection, by, "site.renamed", f"{site.name} → {name}", now=now, site_id=site.id)
    note_change(connection, site.key)
    return replace(site, name=name)


async def renew_identify_secret(connection: AsyncConnection, site: Site, *, by: str, now: datetime) -> Site:
    """Another secret to sign e-mail addresses with; the one before is good for `SECRETS_OVERLAP`.

    Raises `Conflict`.
    """
    renewed = replace(site, identify_version=site.identify_version + 1, identify_until=now + SECRETS_OVERLAP)
    held = sites.c.id == site.id, sites.c.identify_version == site.identify_version
    values = {"identify_version": renewed.identify_version, "identify_until": renewed.identify_until}
    done = await connection.execute(update(sites).where(*held).values(values))
    if not done.rowcount:
        raise Conflict("Someone else renewed this secret in the meantime.")
    await record(connection, by, "identify.renewed", site.name, now=now, site_id=site.id)
    note_change(connection, site.key)
    return renewed


def versions_at(version: int, earlier_until: datetime | None, now: datetime) -> tuple[int, ...]:
    """Of secrets of which the one in use has this version."""
    return (version, version - 1) if earlier_until and earlier_until > now else (version,)


async def note_site_change(connection: AsyncConnection, site_id: int) -> None:
    """Something that visitors see of a site changes with this transaction."""
    note_change(connection, (await connection.execute(select(sites.c.key).where(sites.c.id == site_id))).scalar_one())


async def list_sites(connection: AsyncConnection) -> list[Site]:
    return [_site(row) for row in await connection.execute(select(sites).order_by(sites.c.name, sites.c.id))]


async def site_by_key(connection: AsyncConnection, key: str) -> Site:
    """Raises `NotFound`."""
    # not every store can be asked for every text
    row = (await connection.execute(select(sites).where(sites.c.key == key))).one_or_none() if is_key(key) else None
    if row is None:
        raise NotFound("Unknown site key.")
    return _site(row)


async def site_by_id(connection: AsyncConnection, site_id: int) -> Site:
    """Raises `NotFound`."""
    row = (await connection.execute(select(sites).where(sites.c.id == site_id))).one_or_none()
    if row is None:
        raise NotFound("Site not found.")
    return _site(row)


async def only_site(connection: AsyncConnection) -> Site:
    """The installation's one site, for calls that name none. Raises `Invalid` when there are none or several."""
    everything = await list_sites(connection)
    if len(everything) != 1:
        raise Invalid(f"There are {len(everything)} sites: choose one with ?site=KEY.")
    return everything[0]


async def zones_of(connection: AsyncConnection, site_id: int) -> dict[int, tzinfo]:
    """By whose days a site's answers are counted, by its number. Raises `NotFound`."""
    return {site_id: (await site_by_id(connection, site_id)).settings.zone}


def _site(row: Row[Any]) -> Site:
    settings = SiteSettings.of(row.settings)
    identify = row.identify_version, row.identify_until
    return Site(row.id, row.key, row.name, row.created_at, settings, *identify, row.tag_seen_at, row.tag_seen_on)
