"""The script of the tag: the loader with a site's published surveys written into it, and the file that draws."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

_NAMES: dict[str, str] = _MANIFEST["names"]
_HASHES: dict[str, str] = _MANIFEST["hashes"]
UI_HASH = hashlib.sha256((_HASHES["ui.js"] + _HASHES["explain.js"]).encode()).hexdigest()[:6]
"""In the names of the files that the loader asks for: of the one that draws, and of the one that explains."""
FROZEN_HASH = _HASHES["frozen.js"]
FROZEN = (FOLDER / "frozen.js").read_text("utf-8")
FROZEN_FILES = {
    f"{name}-{UI_HASH}.js": Packed((FOLDER / f"{name}.js").read_text("utf-8"), JAVASCRIPT, UI_HASH, FROZEN_HEADERS)
    for name in ("ui", "explain")
} | {
    f"loader-{FROZEN_HASH}.js": Packed(FROZEN, JAVASCRIPT, FROZEN_HASH, FROZEN_HEADERS),
}
"""Files whose name holds the hash of what is in them, so that they never change."""
INTEGRITY = "sha384-" + b64encode(hashlib.sha384(FROZEN.encode()).digest()).decode()
"""Of the frozen loader, for the tag of those who pin their scripts."""


def config_of(site_key: str, revisions: Sequence[Revision], *, own_page: bool = False) -> str:
    """What the loader works with, as JSON. On its ``own_page``, outside ``/w/``, a survey shows when that page asks."""
    config = {
        "site": site_key,
        **({"base": "../w/"} if own_page else {}),
        "hash": UI_HASH,
        "surveys": [published_survey(revision, manual=own_page) for revision in revisions],
    }
    return to_widget(config)


def to_widget(value: Any) -> str:
    """JSON for what is built from the widget's sources."""
    return json.dumps(_shortened(value), ensure_ascii=False, separators=(",", ":"))


def _shortened(value: Any) -> Any:
    """Under the names that the build of the widget gave to what it reads."""
    if isinstance(value, dict):
        return {_NAMES.get(key, key): _shortened(item) for key, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value


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
