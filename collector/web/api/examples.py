"""An example for each field of what the REST API takes and returns, for its reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.surveys.examples import SURVEY

WHEN = "2026-11-28T09:41:05.250Z"
SITE_KEY = "abcdefghjkmn"
SURVEY_ID, RESPONSE_ID, VISITOR_ID = (f"0199f3c2-0000-7000-8000-00000000000{number}" for number in range(1, 4))
WEBHOOK_ID, DELIVERY_ID = (f"0199f3c2-0000-7000-8000-00000000000{number}" for number in range(4, 6))
CURSOR = "eyJhZnRlciI6MTIzfQ"

SITE: dict[str, Any] = {
    "key": SITE_KEY,
    "name": "My shop",
    "tag": f'<script async src="https://surveys.example.com/w/{SITE_KEY}.js"></script>',
    "identify_secret": "5f0d…",
    "consent_required": False,
    "kept_parameters": ["utm_source"],
    "brand": {"logo": "/i/abcdefghjkmn-0a1b2c3d.png", "color": "#8a2be2"},
    "time_zone": "Europe/Amsterdam",
    "recount_progress": 0.5,
    "created_at": WHEN,
}
RESPONSE: dict[str, Any] = {
    "id": RESPONSE_ID,
    "survey": SURVEY_ID,
    "survey_key": "x7k2m9",
    "survey_name": "After checkout",
    "revision": 1,
    "score": 5,
    "group": "positive",
    "comment": "Arrived a day early.",
    "email": "jo@example.com",
    "email_verified": False,
    "consent_text": "We may contact you about your answer.",
    "complete": True,
    "page": "https://shop.example/order/7",
    "language": "en",
    "device": "phone",
    "browser": "Firefox",
    "system": "Android",
    "visitor": VISITOR_ID,
    "bot": False,
    "created_at": WHEN,
    "updated_at": WHEN,
}
RESULTS: dict[str, Any] = {
    "headline": {
        "value": 66.7,
        "unit": "percent",
        "total": 144,
        "groups": {"negative": 20, "neutral": 28, "positive": 96},
        "positive_share": 66.7,
        "interval": [58.6, 73.9],
    },
    "counts": {"impressions": 900, "dismissals": 310, "scores": 144, "comments": 61, "emails": 22, "robots": 3},
    "distribution": [{"score": score, "count": count} for score, count in enumerate((8, 12, 28, 40, 56), 1)],
}
WEBHOOK: dict[str, Any] = {
    "id": WEBHOOK_ID,
    "url": "https://example.com/hook",
    "secret": "whsec_…",
    "created_at": WHEN,
}
DELIVERY: dict[str, Any] = {
    "id": DELIVERY_ID,
    "message_id": f"msg_{DELIVERY_ID}",
    "status": "failed",
    "attempts": 3,
    "reason": "answered 500",
    "next_try_at": WHEN,
    "created_at": WHEN,
    "finished_at": WHEN,
    "payload": {"type": "response.created", "timestamp": WHEN, "data": RESPONSE},
}
SAVED_SURVEY: dict[str, Any] = {
    "id": SURVEY_ID,
    "key": "x7k2m9",
    "site": SITE_KEY,
    "name": "After checkout",
    "status": "published",
    "revision": 1,
    "url": f"https://surveys.example.com/s/{SITE_KEY}-x7k2m9",
    "document": SURVEY,
    "created_at": WHEN,
    "updated_at": WHEN,
}
OF_RESOURCES: Mapping[str, Mapping[str, Any]] = {
    "NewSite": {"name": SITE["name"]},
    "BrandResource": SITE["brand"],
    "ChangedSite": {key: SITE[key] for key in ("consent_required", "kept_parameters", "brand", "time_zone")},
    "SiteResource": SITE,
    "SurveyResource": SAVED_SURVEY,
    "ResponseResource": RESPONSE,
    "Headline": RESULTS["headline"],
    "CountsResource": RESULTS["counts"],
    "ScoreCount": RESULTS["distribution"][0],
    "ResultsResource": RESULTS,
    "NewWebhook": {"url": WEBHOOK["url"]},
    "WebhookResource": WEBHOOK,
    "DeliveryResource": DELIVERY,
    "SiteList": {"items": [SITE], "next": CURSOR},
    "SurveyList": {"items": [SAVED_SURVEY], "next": CURSOR},
    "ResponseList": {"items": [RESPONSE], "next": CURSOR},
    "WebhookList": {"items": [WEBHOOK], "next": CURSOR},
    "DeliveryList": {"items": [DELIVERY], "next": CURSOR},
}
"""By the name of the model; what a key holds is what the field of that name holds."""
