"""The script of the tag: the loader with a site's published surveys written into it, and the file that draws."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.surveys.lifecycle import Revision
from collector.surveys.published import published_survey
from collector.web.http import Packed

FOLDER = Path(__file__).parent.parent / "static" / "widget"
JAVASCRIPT = "text/javascript"
FRESH_SECONDS = 2.0
"""How long a script is served before the store is asked again: another process may have published."""

_MANIFEST = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
_LOADER = (FOLDER / "loader.js").read_text("utf-8")

UI_HASH: str = _MANIFEST["hashes"]["ui.js"]
FROZEN_HASH: str = _MANIFEST["hashes"]["frozen.js"]
FROZEN = (FOLDER / "frozen.js").read_text("utf-8")
FROZEN_FILES = {
    f"ui-{UI_HASH}.js": Packed.pack((FOLDER / "ui.js").read_text("utf-8"), JAVASCRIPT, UI_HASH),
    f"loader-{FROZEN_HASH}.js": Packed.pack(FROZEN, JAVASCRIPT, FROZEN_HASH),
}
"""Files whose name holds the hash of what is in them, so that they never change."""
INTEGRITY = "sha384-" + b64encode(hashlib.sha384(FROZEN.encode()).digest()).decode()
"""Of the frozen loader, for the tag of those who pin their scripts."""


def config_of(site_key: str, revisions: Sequence[Revision], *, own_page: bool = False) -> str:
    """What the loader works with, as JSON. On its ``own_page``, outside ``/w/``, a survey shows when that page asks."""
    base = "../w/" if own_page else ""
    config = {
        "site": site_key,
        "ui": f"{base}ui-{UI_HASH}.js",
        "events": f"{base}{site_key}/events",
        "surveys": [published_survey(revision, manual=own_page) for revision in revisions],
    }
    return json.dumps(config, ensure_ascii=False, separators=(",", ":"))


def script(config: str) -> Packed:
    """The loader with its configuration written into it."""
    text = _LOADER.replace("__TEVREDEN__", config, 1)
    return Packed.pack(text, JAVASCRIPT, hashlib.sha256(text.encode()).hexdigest()[:16])


@dataclass
class _Entry:
    config: str
    packed: Packed
    checked: float


class ScriptCache:
    """Scripts as last built, by name; one is compressed again only when what is in it has changed."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def fresh(self, name: str) -> Packed | None:
        """The script, if it was checked against the store just now."""
        entry = self._entries.get(name)
        return entry.packed if entry and time.monotonic() - entry.checked < FRESH_SECONDS else None

    def renew(self, name: str, config: str) -> Packed:
        """The script for what the store says is published."""
        entry = self._entries.get(name)
        packed = entry.packed if entry and entry.config == config else script(config)
        self._entries[name] = _Entry(config, packed, time.monotonic())
        return packed

    def forget(self) -> None:
        """Something was published or taken back: ask the store at the next request."""
        for entry in self._entries.values():
            entry.checked = float("-inf")
