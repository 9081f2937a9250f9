"""The script of the tag: the loader with a site's published surveys written into it, and the file that draws."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.access.sites import Site
from collector.errors import NotFound
from collector.surveys.lifecycle import Revision
from collector.surveys.published import published_survey
from collector.web.http.packed import Packed

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

FORMATS: dict[int, dict[str, str]] = {
    int(number): names for number, names in json.loads((FOLDER / "formats.json").read_text("utf-8")).items()
}
"""What a name of the configuration is called in each format. None ever changes: loaders that were pinned and packages
that were bundled ask for theirs for as long as they are there."""
FORMAT: int = _MANIFEST["format"]
"""What the widget that is served here reads."""
_HASHES: dict[str, str] = _MANIFEST["hashes"]
UI_HASH: str = _MANIFEST["further"]
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


def released_files(folder: Path) -> dict[str, Packed]:
    """What earlier releases served under such names, which pinned tags and open pages still ask for."""
    return {
        file.name: Packed(file.read_text("utf-8"), JAVASCRIPT, file.stem.rpartition("-")[2], FROZEN_HEADERS)
        for file in sorted(folder.glob("*-*.js"))
    }


RELEASED_FILES = released_files(FOLDER / "released")
INTEGRITY = "sha384-" + b64encode(hashlib.sha384(FROZEN.encode()).digest()).decode()
"""Of the frozen loader, for the tag of those who pin their scripts."""


def config_of(
    site: Site, revisions: Sequence[Revision], *, base_url: str = "", own_page: bool = False, number: int = FORMAT
) -> str:
    """What a loader works with, as JSON in the format of that number.

    ``base_url`` is the collector's address, for a loader that may be served from elsewhere. On its ``own_page``, a
    survey shows when that page asks.
    """
    config = {
        "site": site.key,
        **({"base": f"{base_url}/w/"} if base_url else {}),
        **({"consent_required": True} if site.settings.consent_required and not own_page else {}),
        **({} if own_page else _frequency_of(site)),
        "surveys": [published_survey(revision, site.settings.brand, manual=own_page) for revision in revisions],
    }
    return as_text(in_format(config, number))


def _frequency_of(site: Site) -> dict[str, Any]:
    """What is set of how often one browser is asked; a loader takes a key that is missing for none."""
    own = site.settings.frequency
    quiet = {"quiet_days": own.quiet_days} if own.quiet_days else {}
    return quiet | ({"once_per_session": True} if own.once_per_session else {})


def format_asked(text: str | None) -> int:
    """The number of a format, the first where none is asked for. Raises `NotFound`, which says which there are."""
    known = ", ".join(map(str, sorted(FORMATS)))
    number = 1 if text is None else next((number for number in FORMATS if str(number) == text), None)
    if number is None:
        raise NotFound(f"Unknown format. Available: {known}.")
    return number


def in_format(value: Any, number: int = FORMAT) -> Any:
    """A configuration, or a part of one, under the names of a format; what has none there is left out."""
    if isinstance(value, list | tuple):
        return [in_format(item, number) for item in value]
    if not isinstance(value, dict):
        return value
    names = FORMATS[number]
    return {names[key]: _inside(key, item, number) for key, item in value.items() if key in names}


def _inside(key: str, value: Any, number: int) -> Any:
    if key == "texts":  # by language, which is no name of ours
        return {language: in_format(texts, number) for language, texts in value.items()}
    return in_format(value, number)


def as_text(value: Any) -> str:
    """JSON, as short as it can be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_QUOTED = re.compile(r'(?<=[{,])"([a-z]{2})":')
"""A key of two letters, which needs no quotation marks in a script; in a text, those have a backslash before them."""


@dataclass(frozen=True)
class Script:
    """The loader with its configuration written into it, compressed once: made on a thread."""

    config: str
    packed: Packed

    @classmethod
    def of(cls, config: str) -> Script:
        text = _LOADER.replace("__TEVREDEN__", _QUOTED.sub(r"\1:", config), 1)
        tag = hashlib.sha256(text.encode()).hexdigest()[:16]
        packed = Packed(text, JAVASCRIPT, tag, SCRIPT_HEADERS)
        packed.pack()
        return cls(config, packed)
