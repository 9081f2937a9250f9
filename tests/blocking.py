"""What EasyList and EasyPrivacy would stop, read from their files: network rules alone, as blockers take them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path("/usr/share/chromium/extensions/ublock-origin/assets/thirdparties/easylist")
"""Where Debian's ``webext-ublock-origin-chromium`` has them."""
KINDS = {
    "script",
    "xmlhttprequest",
    "image",
    "stylesheet",
    "subdocument",
    "ping",
    "websocket",
    "other",
    "font",
    "media",
}


@dataclass(frozen=True)
class Rule:
    text: str
    literal: str
    """A part that an address must have, found sooner than the whole pattern."""
    pattern: re.Pattern[str]
    kinds: frozenset[str] | None
    """The kinds of requests that it is for; none for all."""
    third_party: bool | None


def there() -> bool:
    return FOLDER.is_dir()


@cache
def rules() -> tuple[list[Rule], list[Rule]]:
    """The rules that stop requests on any page, and those that let some through."""
    stops: list[Rule] = []
    lets: list[Rule] = []
    for name in ("easylist.txt", "easyprivacy.txt"):
        for line in (FOLDER / name).read_text("utf-8").splitlines():
            text = line.strip()
            if not text or text.startswith(("!", "[")) or re.search(r"#[@?$%]*#", text):
                continue
            rule = _read(text.removeprefix("@@"))
            if rule:
                (lets if text.startswith("@@") else stops).append(rule)
    return stops, lets


def _read(text: str) -> Rule | None:
    pattern, _, options = text.partition("$") if not text.startswith("/^") else (text, "", "")
    kinds: set[str] = set()
    third_party = None
    for option in filter(None, options.split(",")):
        if option in ("third-party", "3p"):
            third_party = True
        elif option in ("~third-party", "1p"):
            third_party = False
        elif option.removeprefix("~") in KINDS:
            kinds = ((kinds or KINDS) - {option[1:]}) if option.startswith("~") else kinds | {option}
        elif option.startswith("domain=") and all(one.startswith("~") for one in option[7:].split("|")):
            continue  # on every page but some
        elif option != "match-case":
            return None  # for pages of others, pop-ups and the like
    literal = "" if pattern.startswith("/^") else max(re.findall(r"[a-z0-9/.-]+", pattern.lower()), key=len, default="")
    return Rule(text, literal, _compiled(pattern), frozenset(kinds) or None, third_party)


def _compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        return re.compile(pattern[1:-1], re.I)
    start, end = "", ""
    if pattern.startswith("||"):
        start, pattern = r"^[a-z-]+://(?:[^/?#]+\.)?", pattern[2:]
    elif pattern.startswith("|"):
        start, pattern = "^", pattern[1:]
    if pattern.endswith("|"):
        end, pattern = "$", pattern[:-1]
    body = "".join(".*" if one == "*" else r"(?:[^\w.%-]|$)" if one == "^" else re.escape(one) for one in pattern)
    return re.compile(start + body + end, re.I)


def stopped(url: str, kind: str, *, third_party: bool) -> list[str]:
    """The rules that stop a request, unless another lets it through."""

    lower = url.lower()

    def hits(rule: Rule) -> bool:
        return (
            rule.literal in lower
            and (rule.kinds is None or kind in rule.kinds)
            and rule.third_party in (None, third_party)
            and bool(rule.pattern.search(url))
        )

    stops, lets = rules()
    found = [rule.text for rule in stops if hits(rule)]
    return [] if found and any(hits(rule) for rule in lets) else found
