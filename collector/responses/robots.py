"""Whether a program that nobody sits at sent a user agent, by the patterns of isbot and a few of our own.

``robots.json`` holds isbot's patterns as they were released (The Unlicense; `make robots` fetches them anew), ours, and
marks of people whose devices look like robots. Patterns are made for whole user agents; the names that makers give to
telephones are taken out before, since there are "M bot 54" and "Spider 8". Reading one takes some 20 µs: most patterns
are plain words, which are looked for as such, and the others are tried only where a word that each needs is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

_LISTED = json.loads(Path(__file__).with_name("robots.json").read_text("utf-8"))

_ANDROID = re.compile(r"(?:linux|android|u;|mobile;|harmony)[^()]*", re.ASCII)
_OWN_WORD = re.compile(
    r"https?:|compatible|@|\bwww\.|\.(?:com|org|net)\b|\w(?:bot|crawler|spider)[/-]|-google/|catchpoint"
)
"""What a robot writes where others have the model."""
_HANDHELD = re.compile("|".join(_LISTED["people"]))
"""Marks of telephones and television sets whose user agents are too odd for patterns that take oddness for a robot."""
_CERTAIN = re.compile(
    r"(?<!cu)bot\b|bot/|crawl|spider|https?://(?!bsalsa|www\.xbmc)|headless|lighthouse|\bmonitor\b|preview|google-|"
    r"weblight|ips-agent|[^ ]@[^ ]"
)
"""What none of these says of itself."""


_EVERYWHERE = ("mozilla/5.0", "applewebkit/537.36 (khtml, like gecko)", "safari/537.36", "(linux; android)")
"""What nearly every user agent has and no word is in, so that words are looked for in the rest."""


class Patterns:
    """Many patterns, sorted by how they can be tried; all are for lower-case text."""

    def __init__(self, patterns: Iterable[str]) -> None:
        words, beginnings, needing, others = [], [], [], []
        for pattern in patterns:
            plain = pattern.replace(r"\.", ".").replace(r"\/", "/")
            if re.fullmatch(r"[\w ./-]+", plain):
                words.append(plain)
            elif re.fullmatch(r"\^[\w ./-]+", plain):
                beginnings.append(plain[1:])
            elif need := _needed(pattern):
                needing.append((need, _tried(pattern)))
            else:
                others.append(_tried(pattern))
        self._words, self._beginnings = tuple(words), tuple(beginnings)
        self._needing, self._others = tuple(needing), tuple(others)

    def match(self, text: str) -> bool:
        if text.startswith(self._beginnings):
            return True
        rest = text
        for part in _EVERYWHERE:
            rest = rest.replace(part, "\0")
        for word in self._words:
            if word in rest:
                return True
        for need, pattern in self._needing:
            if need in text and pattern(text):
                return True
        return any(pattern(text) for pattern in self._others)


def _tried(pattern: str) -> Callable[[str], re.Match[str] | None]:
    """A pattern for the beginning is tried there alone, which `re` would not see by itself."""
    compiled = re.compile(_in_python(pattern))
    return compiled.match if pattern.startswith("^") else compiled.search


def _needed(pattern: str) -> str:
    """A word without which a pattern cannot match; empty where there is none that is plain to see."""
    bare, times = pattern, 1
    while times:  # groups in groups, from the inside
        bare, times = re.subn(r"(?<!\\)\((?:\?<?[!=:])?(?:[^()\\]|\\.)*\)[?*]?", "\0", bare)
    if re.search(r"[|()\[\]]", bare.replace(r"\(", "").replace(r"\)", "").replace(r"\|", "")):
        return ""
    runs = re.findall(r"(?:[a-z0-9/ ]|\\\.)+[?*{]?", re.sub(r"\\[a-zA-Z]", "\0", bare))
    words = [(run[:-2] if run[-1] in "?*{" else run).replace("\\.", ".") for run in runs]
    return max((word for word in words if len(word) >= 3), key=len, default="")


def _in_python(pattern: str) -> str:
    """JavaScript's pattern as Python wants it: nothing of several lengths behind, no range from a class."""
    pattern = re.sub(
        r"\(\?<!([^()]*\|[^()]*)\)", lambda found: "".join(f"(?<!{one})" for one in found[1].split("|")), pattern
    )
    return re.sub(r"(\\[dws])-(?=[^\]])", r"\1\\-", pattern)


_PATTERNS = Patterns([*_LISTED["isbot"]["patterns"], *_LISTED["ours"]])


def is_robot(agent: str) -> bool:
    """Whether a user agent, which is no longer than a few hundred characters, is a robot's."""
    text = _without_model(agent.lower())
    return _PATTERNS.match(text) and not (_HANDHELD.search(text) and not _CERTAIN.search(text))


def _without_model(text: str) -> str:
    """The user agent without what the maker of an Android device wrote into it."""
    begin = text.find("(")
    if not 0 <= begin <= 40 or not _ANDROID.match(text, begin + 1):
        return text
    end = text.find(")", begin)
    for _ in range(text.count("(", begin + 1, end)):  # a model may have brackets of its own: Moto G (4)
        end = text.find(")", end + 1)
    comment = text[begin + 1 : end]
    if end < 0 or "android" not in comment or _OWN_WORD.search(comment):
        return text
    return f"{text[:begin]}(linux; android){text[end + 1 :]}"
