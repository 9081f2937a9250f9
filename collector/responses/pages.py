"""What is kept of the address of a page, and what results call the page.

Addresses carry what is nobody's business: `?token=…&email=…`, names in fragments, passwords before an `@`. None of it
is stored, but for the query parameters that the site lists.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import unquote_plus, urlsplit

MOST_NAMES = 200
"""Pages that a survey's results name in one month (UTC); the others count together under no name."""
LONGEST_LABEL = 200

_ADDRESS = re.compile(r"(https?://)(?:[^/?#]*@)?([^/?#]+[^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_PARAMETERS = re.compile(r";[^/]*")
"""Of a step of the path, such as ;jsessionid=…"""
_MANY = re.compile(r"\d+|[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}|[0-9a-f]{16,}", re.IGNORECASE)


def stored_page(page: str | None, kept_parameters: Collection[str]) -> str | None:
    """The address without query, fragment and user, but for the parameters that are kept; None for no web address."""
    found = _ADDRESS.match(page) if page else None
    if found is None:
        return None
    scheme, address, query = found[1], _PARAMETERS.sub("", found[2]), found[3]
    kept = [one for one in query.split("&") if _name(one) in kept_parameters] if query and kept_parameters else []
    return f"{scheme}{address}?{'&'.join(kept)}" if kept else scheme + address


def _name(piece: str) -> str:
    return unquote_plus(piece.partition("=")[0])


@lru_cache(maxsize=1024)
def page_label(page: str | None) -> str:
    """A page as results name it: host and path, with numbers and hashes in it as ``*``; "" where there is none."""
    if not page:
        return ""
    try:
        parts = urlsplit(page)
    except ValueError:
        return ""
    path = "/".join("*" if _MANY.fullmatch(step) else step for step in parts.path.split("/"))
    return f"{parts.hostname or ''}{path.rstrip('/') or '/'}"[:LONGEST_LABEL]
