"""What is told of a response when it has come or changed: the Standard Webhooks form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from collector.db.moments import moment
from collector.responses.open_sites import OpenSurvey

EventType = Literal["response.created", "response.updated"]


def event_body(event: EventType, row: Mapping[str, Any], survey: OpenSurvey, *, now: datetime) -> str:
    """What is sent of a response: the same fields as in the REST interface. Ids in ``row`` are hex.

    A try that failed may come after what is newer: the higher ``sequence`` is the newer state of a response.
    """
    data = {
        "id": _dashed(row["id"]),
        "survey": _dashed(survey.id),
        "survey_key": survey.key,
        "survey_name": survey.name,
        **{name: row[name] for name in _AS_THEY_ARE},
        "visitor": _dashed(row["visitor_id"]),
        "created_at": moment(row["created_at"]),
        "updated_at": moment(row["updated_at"]),
    }
    return json.dumps(
        {"type": event, "timestamp": moment(now), "sequence": row["state"], "data": data}, ensure_ascii=False
    )


_AS_THEY_ARE = (
    *("revision", "score", "group", "comment", "email", "email_verified", "consent_text", "complete"),
    *("page", "language", "device", "browser", "system", "bot"),
)


def _dashed(value: str | None) -> str | None:
    return str(UUID(value)) if value else None
