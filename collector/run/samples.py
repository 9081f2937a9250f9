"""Ninety days of sample results for the demo. Each row is marked in its id, so that all can be taken out again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.sites import Site
from collector.db.schema import impressions, responses
from collector.responses.pages import page_label
from collector.responses.reading import SAMPLE, is_sample
from collector.responses.rollups import Sums, add_up
from collector.surveys.lifecycle import Survey, list_surveys
from collector.surveys.metrics import Group, group_of, scores

DAYS = 90
SEED = 7
AT_ONCE = 2_000
HOST = "https://shop.example"
PAGES = {
    "/demo/": ("/", "/", "/", "/sale", "/new"),
    "/demo/plants*": ("/plants", "/plants/indoor", "/plants/outdoor", "/plants/easy-care"),
    "/demo/monstera*": ("/monstera", "/monstera/care"),
    "/demo/cart*": ("/cart", "/cart/delivery"),
    "/demo/order*": ("/order/thanks", "/order/thanks", "/order/pickup/thanks"),
    "/demo/dutch*": ("/nl", "/nl/planten"),
    "/demo/arabic*": ("/ar",),
}
"""By the first page that a survey of the demo includes: where it was seen."""
COMMENTS: Mapping[str, Mapping[Group, Sequence[str]]] = {
    "en": {
        "negative": (
            "The parcel came a week late.",
            "Two of the pots were broken, and nobody answered my mail.",
            "I could not pay by card and had to start again.",
            "The discount code from your newsletter did not work.",
            "Far too many steps before I could order.",
        ),
        "neutral": (
            "Nice plants, but the site is slow on my phone.",
            "Delivery could be quicker.",
            "Fine, but delivery times are hard to find.",
            "I miss photos of the plants in a room.",
        ),
        "positive": (
            "The monstera arrived in perfect shape!",
            "Ordering took one minute, and the plant came the next day.",
            "Friendly and helpful people on the phone.",
            "Best-packed parcel I have had in years.",
            "Good search, I found what I wanted at once.",
            "The care tips on the product page helped me choose.",
        ),
    },
    "nl": {
        "negative": ("Het pakket kwam een week te laat.", "Ik kon niet met iDEAL betalen."),
        "neutral": ("Mooie planten, maar de site is traag op mijn telefoon.",),
        "positive": ("De plant kwam de volgende dag al, in perfecte staat!", "Vriendelijk geholpen aan de telefoon."),
    },
    "ar": {
        "negative": ("وصل الطرد متأخرًا أسبوعًا.",),
        "neutral": ("نباتات جميلة، لكن الموقع بطيء على هاتفي.",),
        "positive": ("وصلت النبتة في حالة ممتازة!", "خدمة سريعة وودودة."),
    },
}
DEVICES = (
    ("phone", "Safari", "iOS"),
    ("phone", "Chrome", "Android"),
    ("phone", "Chrome", "Android"),
    ("desktop", "Chrome", "Windows"),
    ("desktop", "Firefox", "Linux"),
    ("desktop", "Safari", "macOS"),
    ("tablet", "Safari", "iPadOS"),
)


@dataclass(frozen=True)
class Crowd:
    """How many people a day see a survey, and how many of a hundred answer; ``mood`` from 0 to 1, growing by
    ``drift`` over the days."""

    shown: tuple[int, int]
    answering: int
    mood: float
    drift: float


CROWDS = (
    Crowd((18, 42), 33, 0.66, 0.10),
    Crowd((12, 26), 28, 0.60, 0.14),
    Crowd((8, 20), 24, 0.72, -0.04),
    Crowd((6, 16), 30, 0.70, -0.16),
    Crowd((10, 24), 41, 0.74, 0.06),
    Crowd((3, 9), 30, 0.62, 0.05),
    Crowd((2, 6), 30, 0.68, 0.02),
)


async def add_samples(connection: AsyncConnection, site: Site, *, now: datetime) -> None:
    """Let every published survey of the demo's site have had visitors for `DAYS` days; the same ones each time."""
    chance = Random(SEED)  # noqa: S311
    sums = Sums(lane=0)
    surveys = [one for one in await list_surveys(connection, site.id) if one.revision]
    for survey, crowd in zip(surveys, CROWDS, strict=False):
        shown, answered = [], []
        for impression, response in _visits(survey, crowd, chance, now):
            shown.append(impression)
            sums.count_impression(impression)
            if response:
                answered.append(response)
                sums.count_response(response)
        for table, rows in ((impressions, shown), (responses, answered)):
            for start in range(0, len(rows), AT_ONCE):
                await connection.execute(insert(table), rows[start : start + AT_ONCE])
    await add_up(connection, sums)


async def remove_samples(connection: AsyncConnection, site: Site) -> int:
    """Take the samples out, with what was counted for them; how many responses there were."""
    sums = Sums(lane=0)
    gone = 0
    for table, count in ((impressions, sums.count_impression), (responses, sums.count_response)):
        rows = (await connection.execute(select(table).where(table.c.site_id == site.id))).mappings().all()
        samples = [row for row in rows if is_sample(row["id"])]
        for row in samples:
            count(row, -1)
        gone = len(samples)
        for start in range(0, len(samples), AT_ONCE):
            ids = [row["id"] for row in samples[start : start + AT_ONCE]]
            await connection.execute(delete(table).where(table.c.site_id == site.id, table.c.id.in_(ids)))
    await add_up(connection, sums)
    return gone


def _visits(
    survey: Survey, crowd: Crowd, chance: Random, now: datetime
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Impressions, each with the response that came of it."""
    document = survey.document
    places = PAGES.get(next(iter(document.where.include), ""), ("/",))
    for ago in range(DAYS - 1, -1, -1):
        mood = crowd.mood + crowd.drift * (1 - ago / DAYS)
        for _ in range(chance.randint(*crowd.shown)):
            at = now - timedelta(days=ago, minutes=chance.randint(1, 20 * 60))
            page = HOST + chance.choice(places)
            device, browser, system = chance.choice(DEVICES)
            both = {
                "site_id": survey.site_id,
                "survey_number": survey.number,
                "revision": survey.revision,
                "page": page,
                "page_label": page_label(page),
                "language": document.language,
                "device": device,
                "browser": browser,
                "system": system,
                "bot": False,
            }
            answers, closes = chance.randint(1, 100) <= crowd.answering, chance.randint(1, 100) <= 55
            shown = _sample_id(at, chance)
            impression = {
                **both,
                "id": shown,
                "shown_at": at,
                "dismissed_at": at + timedelta(seconds=7) if closes and not answers else None,
                "answered_at": at + timedelta(seconds=9) if answers else None,
            }
            yield impression, _answer(survey, both, shown, at + timedelta(seconds=9), mood, chance) if answers else None


def _answer(
    survey: Survey, both: Mapping[str, Any], shown: UUID, at: datetime, mood: float, chance: Random
) -> dict[str, Any]:
    document = survey.document
    every = scores(document.metric, document.points)
    score = every[round((len(every) - 1) * min(max(chance.betavariate(2.4 * mood, 2.4 * (1 - mood)), 0), 1))]
    group = group_of(document.metric, document.points, score)
    says = chance.random() < {"negative": 0.55, "neutral": 0.3, "positive": 0.32}[group]
    mailed = says and chance.random() < 0.2
    return {
        **both,
        "id": _sample_id(at, chance),
        "impression_id": shown,
        "state": 2,
        "complete": True,
        "score": score,
        "group": group,
        "comment": chance.choice(COMMENTS[document.language][group]) if says else None,
        "email": f"visitor{chance.randint(1, 999)}@example.com" if mailed else None,
        "email_verified": False,
        "created_at": at,
        "updated_at": at + timedelta(seconds=40),
    }


def _sample_id(at: datetime, chance: Random) -> UUID:
    """A UUIDv7 of that moment with the mark of a sample at its end."""
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | chance.getrandbits(28) << 32 | SAMPLE)
