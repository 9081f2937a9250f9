"""Images that a site uploads for its logo and its thank-yous: read with care, made small, and kept under the name of
what is in them."""

from __future__ import annotations

import asyncio
import io
import re
import struct
import zlib
from base64 import b32encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib import import_module
from typing import Any

from sqlalchemy import and_, delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.audit import record
from collector.access.sites import Site
from collector.db.schema import images, revisions, surveys
from collector.errors import Conflict, Fault, Invalid, NotFound, TooManyTries

MOST_BYTES = 2 * 1024 * 1024
"""Of a file that is uploaded."""
MOST_PIXELS = {"JPEG": 24_000_000}
"""Of kinds that are made small while they are read; of all others `MOST_PIXELS_WHOLE`."""
MOST_PIXELS_WHOLE = 5_000_000
LONGEST_SIDE = 1200
"""Pixels of what is kept: twice of what a survey shows."""
MOST_IMAGES = 100
"""Of one site."""
HEAVIEST = 400_000
"""Bytes of what is kept: whoever asks for an image costs the collector no more than that."""
_READ = ("PNG", "JPEG", "WEBP", "GIF")
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg"}
"""Of what is kept, by the ending of the name."""
_NAME = re.compile(r"[a-z2-7]{26}\.(?:png|jpg)")
_UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, struct.error, zlib.error)
"""What Pillow raises for files that are damaged."""
MOST_WAITING = 4
"""Pictures that are worked on or wait for it; one at a time is held in memory whole."""
_at_work: list[None] = []


@dataclass(frozen=True)
class Encoded:
    """A picture as it is kept: ``name`` follows from ``data``."""

    name: str
    data: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Image:
    """One that a site has, without its data; ``used_by`` names what shows it."""

    name: str
    size: int
    width: int
    height: int
    created_at: datetime
    used_by: Sequence[str] = ()


async def encoded(data: bytes) -> Encoded:
    """`encode`, in a thread that nothing else waits for. Raises `Invalid`, and `TooManyTries` while others wait."""
    if len(_at_work) >= MOST_WAITING:
        raise TooManyTries("Other images are being uploaded. Try again in a moment.")
    _at_work.append(None)
    try:
        return await asyncio.get_running_loop().run_in_executor(_worker(), encode, data)
    finally:
        _at_work.pop()


@cache
def _worker() -> ThreadPoolExecutor:
    """Not the threads that hash passwords and pack scripts."""
    return ThreadPoolExecutor(1, "images")


def encode(data: bytes) -> Encoded:
    """Make what is kept of an uploaded file: upright, at most `LONGEST_SIDE` pixels long, the first picture of several,
    at most `HEAVIEST`, and nothing that a camera or program wrote beside it. It takes its time: not for the event loop.

    Raises `Invalid`.
    """
    if not data:
        raise _wrong("choose a file")
    if len(data) > MOST_BYTES:
        raise _wrong("must be at most 2 MB")
    pillow, ops = import_module("PIL.Image"), import_module("PIL.ImageOps")  # few starts ever need them
    try:
        with pillow.open(io.BytesIO(data), formats=_READ) as found:
            most = MOST_PIXELS.get(found.format, MOST_PIXELS_WHOLE)
            if found.width * found.height > most:
                raise _wrong(f"must have at most {most // 1_000_000} million pixels")
            is_clear, is_photograph = found.has_transparency_data, found.format == "JPEG"
            # a JPEG is made small while it is read; colours of a palette cannot be mixed
            picture = found if is_photograph else found.convert("RGBA" if is_clear else "RGB")
            picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            picture = ops.exif_transpose(picture)
            return _kept(picture.convert("RGB") if is_photograph else picture, is_clear, is_photograph)
    except pillow.UnidentifiedImageError:
        raise _wrong("must be a PNG, JPEG, WebP or GIF file") from None
    except (*_UNREADABLE, pillow.DecompressionBombError):
        raise _wrong("cannot be read: the file is damaged") from None


def _kept(picture: Any, is_clear: bool, is_photograph: bool) -> Encoded:
    """As a PNG; as a JPEG where it came as one or is too heavy; and smaller until it is light enough."""
    while True:
        data = b"" if is_photograph else _saved(picture, "PNG", optimize=True)
        if is_photograph or (len(data) > HEAVIEST and not is_clear):
            is_photograph = True
            data = _saved(picture, "JPEG", quality=85, optimize=True)
        if len(data) <= HEAVIEST:
            break
        picture.thumbnail((picture.width * 3 // 4, picture.height * 3 // 4))
    digest = b32encode(sha256(data).digest()[:16]).decode().rstrip("=").lower()  # no dash, which ends the site's key
    return Encoded(f"{digest}.{'jpg' if is_photograph else 'png'}", data, picture.width, picture.height)


def _saved(picture: Any, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _wrong(what: str) -> Invalid:
    return Invalid(faults=[Fault("/image", what)])


def address_of(site: Site, name: str) -> str:
    """Where a collector serves it, beneath its own address."""
    return f"/i/{site.key}-{name}"


async def add_image(connection: AsyncConnection, site: Site, made: Encoded, *, by: str, now: datetime) -> None:
    """Keep one; the same one again changes nothing. Raises `Conflict` for one too many."""
    here = images.c.site_id == site.id
    names = set((await connection.execute(select(images.c.name).where(here))).scalars())
    if made.name in names:
        return
    if len(names) >= MOST_IMAGES:
        raise Conflict(f"A site has at most {MOST_IMAGES} images. Delete one that is not used.")
    size = {"size": len(made.data), "width": made.width, "height": made.height}
    try:
        async with connection.begin_nested():
            await connection.execute(
                insert(images).values(site_id=site.id, name=made.name, data=made.data, **size, created_at=now)
            )
    except IntegrityError:
        return  # in this moment, by somebody else
    await record(connection, by, "image.added", made.name, now=now, site_id=site.id)


async def list_images(connection: AsyncConnection, site: Site) -> list[Image]:
    """Newest first."""
    columns = [images.c[name] for name in ("name", "size", "width", "height", "created_at")]
    query = select(*columns).where(images.c.site_id == site.id).order_by(images.c.created_at.desc(), images.c.name)
    shown = await _shown_by(connection, site)
    return [
        Image(name, size, width, height, at, [who for who, text in shown if address_of(site, name) in text])
        for name, size, width, height, at in await connection.execute(query)
    ]


async def _shown_by(connection: AsyncConnection, site: Site) -> list[tuple[str, str]]:
    """What may show images, now or once somebody goes back to it: its name, and a text with their addresses in it."""
    its = and_(revisions.c.site_id == surveys.c.site_id, revisions.c.survey_number == surveys.c.number)
    every = surveys.outerjoin(revisions, its)
    thanks = (surveys.c.document["thank_you"].as_string(), revisions.c.document["thank_you"].as_string())
    query = select(surveys.c.name, *thanks).select_from(every).where(surveys.c.site_id == site.id)
    texts: dict[str, str] = {}
    for name, draft, published in await connection.execute(query.order_by(surveys.c.name)):
        texts[name] = f"{texts.get(name, '')} {draft} {published}"
    logo = [("the logo", site.settings.brand.logo)] if site.settings.brand.logo else []
    return logo + [(f"“{name}”", text) for name, text in texts.items()]


async def image_data(connection: AsyncConnection, site: Site, name: str) -> bytes:
    """Raises `NotFound`."""
    if not _NAME.fullmatch(name):  # not every store can be asked for every text
        raise NotFound("There is no such image.")
    query = select(images.c.data).where(images.c.site_id == site.id, images.c.name == name)
    data: bytes | None = (await connection.execute(query)).scalar_one_or_none()
    if data is None:
        raise NotFound("There is no such image.")
    return data


async def delete_image(connection: AsyncConnection, site: Site, name: str, *, by: str, now: datetime) -> None:
    """Raises `NotFound`, and `Conflict` while something shows it."""
    found = next((one for one in await list_images(connection, site) if one.name == name), None)
    if found is None:
        raise NotFound("There is no such image.")
    if found.used_by:
        raise Conflict(f"The image is used by {', '.join(found.used_by)}, or by an earlier revision of it.")
    await connection.execute(delete(images).where(images.c.site_id == site.id, images.c.name == name))
    await record(connection, by, "image.removed", name, now=now, site_id=site.id)
