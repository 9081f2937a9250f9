"""Personalisation tokens in a text, such as ``{contact.first_name|there}``, each with what is said for nobody known.

The table of cases is ``tests/contract/tokens.json``. Braces around anything else are text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(r"\{[ ]*([A-Za-z_]+)\.([^{}|]*)(?:\|([^{}]*))?\}")
_PROPERTY = re.compile(r"[a-z][a-z0-9_]{0,63}")
ABOUT = ("contact",)
"""What a token may name a property of."""


def fill(text: str, known: Mapping[str, str] | None = None) -> str:
    """The text with each token replaced by what is known (``{"contact.first_name": "Anna"}``), or its default."""

    def replaced(found: re.Match[str]) -> str:
        value = (known or {}).get(f"{found[1]}.{found[2].strip()}", "").strip()
        return value or (found[3] or "").strip()

    return _TOKEN.sub(replaced, text) if "{" in text else text


def fault_in(text: str) -> str | None:
    """What is wrong with the first token of a text that is, None where all are right."""
    for found in _TOKEN.finditer(text):
        about, name, default = found[1], found[2].strip(), found[3]
        if about not in ABOUT:
            return f"names {about}.{name[:64]}, but tokens can only use {' or '.join(f'{one}.…' for one in ABOUT)}"
        if not _PROPERTY.fullmatch(name):
            return f"has a token with the property “{name[:64]}”, which must be like first_name"
        if default is None:
            return f"has a token without a default value: write {{{about}.{name}|…}} with the text for unknown visitors"
    return None
