"""Fetches isbot's patterns anew: `make robots`. What changed is seen in the difference, and judged by the tests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

FILE = Path(__file__).parent.parent / "collector" / "responses" / "robots.json"


def fetch(version: str) -> list[str]:
    with TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", f"isbot@{version}"], cwd=folder, check=True, capture_output=True)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as packed:
            module = packed.extractfile("package/index.mjs")
            assert module
            text = module.read().decode()
    found = re.search(r"var patterns_default = (\[.*?\n\]);", text, re.DOTALL)
    assert found, "isbot keeps its patterns elsewhere now"
    patterns: list[str] = json.loads(found[1])
    return patterns


if __name__ == "__main__":
    listed = json.loads(FILE.read_text("utf-8"))
    wanted = sys.argv[1] if len(sys.argv) > 1 else listed["isbot"]["version"]
    listed["isbot"] |= {"version": wanted, "patterns": fetch(wanted)}
    FILE.write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n", "utf-8")
