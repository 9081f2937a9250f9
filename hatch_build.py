"""Builds the widget into the wheel when its sources have changed since it was last built."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
MANIFEST = ROOT / "collector" / "web" / "static" / "widget" / "manifest.json"


def sources_hash() -> str:
    """The same sum as `widget/build.mjs` writes into its manifest."""
    total = hashlib.sha256()
    for file in sorted((ROOT / "widget" / "src").iterdir()):
        total.update(file.name.encode() + b"\0" + file.read_bytes())
    for name in ("build.mjs", "formats.json"):
        total.update((ROOT / "widget" / name).read_bytes())
    return total.hexdigest()


def build_widget() -> None:
    """Build the widget if what is committed is not what the sources give."""
    if json.loads(MANIFEST.read_text("utf-8"))["sources"] == sources_hash():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("the widget's sources have changed since it was built, and building it needs Node 20 with npm")
    for command in (["ci"], ["run", "build"]):
        subprocess.run([npm, *command], cwd=ROOT / "widget", check=True)  # noqa: S603


class WidgetHook(BuildHookInterface[Any]):
    """Runs before every wheel; an editable install takes the committed files as they are."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        if version != "editable":
            build_widget()
