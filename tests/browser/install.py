"""Gets a browser for the tests: one that is there, else Playwright's own download, else the system's package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

SYSTEM = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str | None:
    """The path of a Chromium that Playwright can drive, its own first."""
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else next(filter(None, map(shutil.which, SYSTEM)), None)


def main() -> None:
    is_root = os.geteuid() == 0
    ways = [[sys.executable, "-m", "playwright", "install", *(["--with-deps"] if is_root else []), "chromium"]]
    if is_root and shutil.which("apt-get"):
        ways += [["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "--no-install-recommends", "chromium"]]
    for way in ways:
        if find_browser():
            return
        subprocess.run(way, check=False, timeout=900)
    if not find_browser():
        sys.exit("No browser could be installed: install Chromium by your system's means, then run this again.")


if __name__ == "__main__":
    main()
