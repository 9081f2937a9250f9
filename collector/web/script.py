"""The script of the tag: the loader with a site's published surveys written into it, and the file that draws."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.surveys.lifecycle import Revision
from collector.surveys.published import published_survey
from collector.web.packed import Packed

FOLDER = Path(__file__).parent.parent / "static" / "widget"
JAVASCRIPT = "text/javascript"
OPEN_TO_ALL = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
SCRIPT_HEADERS = {**OPEN_TO_ALL, "Cache-Control": "public, max-age=60, stale-while-revalidate=600"}
FROZEN_HEADERS = {**OPEN_TO_ALL, "Cache-Control": "public, max-age=31536000, immutable"}

_MANIFEST = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
_LOADER = (FOLDER / "loader.js").read_text("utf-8")

UI_HASH: str = _MANIFEST["hashes"]["ui.js"]
FROZEN_HASH: str = _MANIFEST["hashes"]["frozen.js"]
FROZEN = (FOLDER / "frozen.js").read_text("utf-8")
FROZEN_FILES = {
    f"ui-{UI_HASH}.js": Packed((FOLDER / "ui.js").read_text("utf-8"), JAVASCRIPT, UI_HASH, FROZEN_HEADERS),
    f"loader-{FROZEN_HASH}.js": Packed(FROZEN, JAVASCRIPT, FROZEN_HASH, FROZEN_HEADERS),
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


@dataclass(frozen=True)
class Script:
    """The loader with its configuration written into it, compressed once."""

    config: str
    packed: Packed

    @classmethod
    def of(cls, config: str) -> Script:
        text = _LOADER.replace("__TEVREDEN__", config, 1)
        tag = hashlib.sha256(text.encode()).hexdigest()[:16]
        return cls(config, Packed(text, JAVASCRIPT, tag, SCRIPT_HEADERS))
