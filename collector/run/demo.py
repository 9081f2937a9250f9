"""The sample shop's surveys: one for each placement on a page of its own, in English, Dutch and Arabic."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.accounts import add_user, hash_password
from collector.access.signing import Signing
from collector.access.sites import Frequency, SiteSettings, change_site, create_site, list_sites
from collector.access.tokens import add_token
from collector.run.samples import add_samples, remove_samples
from collector.surveys.document import read_document
from collector.surveys.lifecycle import create_survey, publish_survey

SITE = "Sample shop"
USER = "owner@example.com"
TOKEN_NAME = "demo"  # noqa: S105

DOCUMENTS: tuple[dict[str, Any], ...] = (
    {
        "name": "Home: how did we do?",
        "metric": "csat",
        "scale": 5,
        "question": "How satisfied are you with our shop so far?",
        "follow_up": {
            "negative": "We are sorry. What went wrong?",
            "neutral": "What would have made it better?",
            "positive": "What did you like most?",
        },
        "thank_you": {"negative": {"heading": "Thank you for telling us", "body": "Someone of us reads every answer."}},
        "email_capture": {"consent_text": "We use your address to reply to your answer, and for nothing else."},
        "appearance": {"position": "slide-in-right", "color": "#0b7a75"},
        "where": {"include": ["/demo/", "/plain/"]},
        "when": {"delay_seconds": 2},
        "frequency": {"unanswered": "always"},
    },
    {
        "name": "Category: would you recommend us?",
        "metric": "nps",
        "question": "How likely are you to recommend our shop to a friend?",
        "appearance": {"position": "slide-in-left", "color": "#7c3aed"},
        "where": {"include": ["/demo/plants*"]},
        "when": {"scroll_percent": 50},
        "frequency": {"unanswered": "always"},
    },
    {
        "name": "Product: a call-out",
        "metric": "csat",
        "scale": 3,
        "question": "Did this page tell you what you wanted to know?",
        "appearance": {
            "position": "callout-right",
            "color": "#b45309",
            "callout_text": "Was this page any help?",
            "callout_closed_text": "Feedback",
        },
        "where": {"include": ["/demo/monstera*"]},
        "frequency": {"unanswered": "always"},
    },
    {
        "name": "Cart: how easy was it?",
        "metric": "ces",
        "question": "How easy was it to find what you were looking for?",
        "follow_up": {"negative": "What made it difficult?", "positive": "What helped you most?"},
        "appearance": {"position": "callout-left", "color": "#be185d", "callout_text": "May we ask something?"},
        "where": {"include": ["/demo/cart*"]},
        "when": {"delay_seconds": 3, "exit_intent": True},
        "frequency": {"unanswered": "always"},
    },
    {
        "name": "After checkout",
        "metric": "csat",
        "scale": 7,
        "question": "How satisfied are you with your order?",
        "appearance": {"position": "banner", "color": "#1d4ed8"},
        "where": {"include": ["/demo/order*"]},
        "when": {"delay_seconds": 1},
        "frequency": {"unanswered": "always"},
    },
    {
        "name": "Nederlandse pagina",
        "metric": "nps",
        "language": "nl",
        "question": "Hoe waarschijnlijk is het dat je onze winkel aanbeveelt aan een vriend of vriendin?",
        "follow_up": {"negative": "Wat ging er mis?", "neutral": "Wat kan er beter?", "positive": "Wat beviel je?"},
        "appearance": {"position": "slide-in-right", "color": "#c2410c"},
        "where": {"include": ["/demo/dutch*"]},
        "when": {"delay_seconds": 1},
        "frequency": {"unanswered": "always"},
    },
    {
        "name": "الصفحة العربية",
        "metric": "csat",
        "scale": 5,
        "language": "ar",
        "question": "ما مدى رضاك عن متجرنا؟",
        "appearance": {"position": "slide-in-left", "color": "#15803d"},
        "where": {"include": ["/demo/arabic*"]},
        "when": {"delay_seconds": 1},
        "frequency": {"unanswered": "always"},
    },
)


def examples_folder() -> Path:
    """Where the example pages lie: in the package when installed, beside it in a clone."""
    package = Path(__file__).parent
    inside = package / "examples"
    return inside if inside.is_dir() else package.parent.parent / "examples"


async def set_up(connection: AsyncConnection, signing: Signing, *, samples: bool, now: datetime) -> None:
    """Make the sample site, its surveys, their results of 90 days, its sign-in and its token, unless they are there
    from an earlier start; without ``samples``, take such results out."""
    sites = await list_sites(connection)
    if sites:
        if not samples:
            await remove_samples(connection, sites[0])
        return
    site = await create_site(connection, SITE, by=USER, now=now)
    every_page = SiteSettings(frequency=Frequency(once_per_session=False))  # each has its survey, for who looks around
    site = await change_site(connection, site, every_page, by=USER, now=now)
    for document in reversed(DOCUMENTS):  # lists show the newest first
        survey = await create_survey(connection, site.id, read_document(document), by=USER, now=now)
        await publish_survey(connection, site.id, survey.id, by=USER, now=now)
    if samples:
        await add_samples(connection, site, now=now)
    hashed = await hash_password(signing.demo_password())  # nobody else writes here yet
    await add_user(connection, USER, hashed, now=now, by=USER)
    await add_token(connection, TOKEN_NAME, now=now, token=signing.demo_token(), by=USER)
