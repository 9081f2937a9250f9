"""Documents of surveys, and surveys made of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from collector.surveys.document import read_document
from collector.surveys.lifecycle import Survey

SMALLEST = {"name": "A", "metric": "csat", "question": "Q?"}
CONTRACT_EXAMPLE = {
    "name": "After checkout",
    "metric": "csat",
    "scale": 5,
    "delivery": "web",
    "language": "nl",
    "question": "Hoe tevreden ben je met je bestelling?",
    "follow_up": {"negative": "Wat ging er mis?", "neutral": "Wat kan beter?", "positive": "Wat beviel je?"},
    "thank_you": {
        "negative": {"heading": "Bedankt", "body": "…", "image": True, "link": None},
        "neutral": {},
        "positive": {},
    },
    "email_capture": {"ask": "unknown", "consent_text": None},
    "appearance": {
        "position": "slide-in-right",
        "color": "#0b7a75",
        "scheme": "auto",
        "offset": 0,
        "callout_text": "Even iets vragen?",
        "callout_closed_text": None,
    },
    "where": {"include": ["shop.example/order/*"], "exclude": [], "small_screens": True},
    "who": {"audience": "all"},
    "when": {
        "delay_seconds": 5,
        "scroll_percent": 50,
        "exit_intent": False,
        "event": None,
        "element": None,
        "match": "any",
    },
    "frequency": {
        "unanswered": "after",
        "unanswered_days": 30,
        "answered_days": None,
        "sample_percent": 100,
        "priority": 0,
    },
    "translations": {"en": {"question": "How satisfied are you with your order?"}},
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST, SECOND, THIRD = (UUID(int=number) for number in range(1, 4))
CONSENT = {"email_capture": {"consent_text": "You may write to me."}}


def draft(**document: Any) -> Survey:
    read = read_document({"name": "Mine", "metric": "csat", "question": "?", **CONSENT, **document})
    return Survey(1, 2, SECOND, "abcdef", read.name, "draft", read, None, NOW, NOW)
