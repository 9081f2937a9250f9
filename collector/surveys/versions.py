"""Versions of a survey: what somebody saw of it before they act, so that nothing is done to what they never saw.

A version is made of what a survey is, and not of when it was saved: whoever changes something and changes it back takes
nothing from anybody. It holds a mark for each part, so that what changed since can be named without its history.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Collection
from typing import Any

from collector.errors import Changed, Fault
from collector.surveys.lifecycle import Survey

_MARK = 6
"""Characters of a part's mark; all of it has a mark of 22."""
_WHOLE = 22


def version_of(survey: Survey) -> str:
    """What tells this state of a survey from others: letters, digits, ``-`` and ``_``."""
    parts = _parts(survey)
    return _mark(parts, _WHOLE) + "".join(_mark(part, _MARK) for part in parts.values())


def require_version(survey: Survey, wanted: Collection[str]) -> None:
    """Raises `Changed`, with what is another now, unless the survey is in one of these versions."""
    now = version_of(survey)
    if now in wanted:
        return
    known = next((one for one in wanted if len(one) == len(now) and re.fullmatch(r"[\w-]+", one)), None)
    marks = [version[_WHOLE:] for version in (known or now, now)]
    places = [
        name
        for number, name in enumerate(_parts(survey))
        if marks[0][number * _MARK :][:_MARK] != marks[1][number * _MARK :][:_MARK]
    ]
    told = {"status": f"is {survey.status} now", "revision": f"is {survey.revision or 'none'} now"}
    faults = [Fault(f"/{name}", told.get(name, "was changed since")) for name in places]
    raise Changed(
        "Someone changed this survey since you read it; nothing was changed. Read it again.",
        faults=faults,
        headers={"ETag": f'"{now}"'},
    )


def _parts(survey: Survey) -> dict[str, Any]:
    return {**survey.document.as_json(), "status": survey.status, "revision": survey.revision}


def _mark(value: Any, length: int) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()[:length]
