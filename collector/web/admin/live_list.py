"""What has changed in a list that someone has open, said by what they see and not by what may be gone meanwhile.

The page says what it shows as one line of text: a mark for each row and one for the figures. What is shown now is
compared with that, so that a row that was deleted, changed or pushed out is known as such, whatever came in between.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Row

_OF_ID, _OF_STATE = 8, 4
_MARK = _OF_ID + _OF_STATE
"""Characters of a mark: of a row's id, and of its state."""


def _short(text: str, length: int) -> str:
    return urlsafe_b64encode(sha256(text.encode()).digest()).decode()[:length]


def name_of(row: Row[Any]) -> str:
    """The name of a row within the page."""
    return f"r-{_short(str(row.id), _OF_ID)}"


def marks_of(rows: Sequence[Row[Any]], figures: object) -> str:
    """What a page with these rows and figures shows, for its next question."""
    own = (name_of(row)[2:] + _short(f"{row.state} {row.updated_at.isoformat()}", _OF_STATE) for row in rows)
    return _short(repr(figures), _OF_ID) + "".join(own)


@dataclass(frozen=True)
class News:
    """How to make an open list the one of now; ``whole`` if only showing all of it anew does."""

    whole: bool
    new: Sequence[Row[Any]]
    """To go on top, newest first."""
    changed: Sequence[Row[Any]]
    gone: Sequence[str]
    """Names of rows that are no longer in it."""


def news_in(rows: Sequence[Row[Any]], figures: object, known: str) -> News | None:
    """What to tell a page that shows what ``known`` says; None if it shows the same."""
    now = marks_of(rows, figures)
    if known == now:
        return None
    earlier = _read(known)
    if earlier is None:
        return News(True, rows, (), ())
    states = {name_of(row): now[_OF_ID + place * _MARK :][_OF_ID:_MARK] for place, row in enumerate(rows)}
    stayed = [name for name in states if name in earlier]
    new = [row for row in rows if name_of(row) not in earlier]
    on_top = list(states)[len(new) :] == stayed == [name for name in earlier if name in states]
    if not on_top or (new and not stayed):
        return News(True, rows, (), ())
    changed = [row for row in rows if earlier.get(name_of(row), states[name_of(row)]) != states[name_of(row)]]
    return News(False, new, changed, [name for name in earlier if name not in states])


def _read(known: str) -> dict[str, str] | None:
    """The rows that a page shows, with their states; None for anything else than `marks_of` made."""
    if not re.fullmatch(rf"[\w-]{{{_OF_ID}}}([\w-]{{{_MARK}}}){{0,100}}", known, re.ASCII):
        return None
    marks = [known[at : at + _MARK] for at in range(_OF_ID, len(known), _MARK)]
    return {f"r-{mark[:_OF_ID]}": mark[_OF_ID:] for mark in marks}
