"""What text is, in the whole project: which characters it may have, when it says nothing, and when two are the same.

Letters of every script are text, with what joins them (U+200C, U+200D) and with every blank (U+00A0, U+3000). Control
characters are not, nor are NUL and lone surrogates, which no store keeps.
"""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import combining, normalize

from collector.errors import Fault, Invalid

LONGEST_NAME = 200
MOST_MARKS = 30

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_BREAK = re.compile(r"[\n\t\u2028\u2029]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_IGNORED = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""Unicode's Default_Ignorable_Code_Point: what has no look of its own."""


def is_text(value: str, *, lines: bool = False) -> bool:
    """Whether every store and every page can have this; in one line, unless there may be several."""
    if value.isascii() and value.isprintable():
        return True
    return not _CONTROL.search(value.replace("\r", "\n") if lines else value) and (lines or not _BREAK.search(value))


def is_blank(value: str) -> bool:
    """Whether nothing of it can be seen."""
    if value.isascii():
        return not value.strip()
    return not _IGNORED.sub("", value).replace("\u2800", "").strip()


def storable(value: str) -> str:
    """NUL and lone surrogates become U+FFFD, so that every store keeps the same text."""
    return value if value.isascii() and "\0" not in value else _UNSTORABLE.sub("\ufffd", value)


def folded(value: str) -> str:
    """The same for texts that people take for the same: whatever the case, the width, and how accents are written.

    Unicode's NFKC_Casefold (The Unicode Standard, 3.13), without what has no look of its own; blanks become spaces.
    """
    if value.isascii():
        return value.lower()
    return normalize("NFKC", normalize("NFKC", _stream_safe(_IGNORED.sub("", value))).casefold())


def _stream_safe(value: str) -> str:
    """Without marks past the thirtieth on one letter (Unicode Standard Annex #15, 13): putting a run of them in order
    takes time in proportion to its square."""
    if len(value) <= MOST_MARKS:
        return value
    kept, run = [], 0
    for letter in value:
        run = run + 1 if _is_mark(letter) else 0
        if run <= MOST_MARKS:
            kept.append(letter)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _is_mark(letter: str) -> bool:
    """Whether it, or what it is made of, goes on top of a letter."""
    return any(map(combining, normalize("NFKD", letter)[:1]))


def readable_name(name: str) -> str:
    """A name without the white space around it. Raises `Invalid` unless it is one line of text that can be seen."""
    name = name.strip()
    if not is_text(name):
        wrong = "must be one line of text without control characters"
    elif is_blank(name):
        wrong = "must contain visible text"
    elif len(name) > LONGEST_NAME:
        wrong = f"must have {LONGEST_NAME} characters at most"
    else:
        return name
    raise Invalid(faults=[Fault("/name", wrong)])
