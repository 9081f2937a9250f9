"""Gets browsers for the tests: those that are there, else Playwright's own downloads, else the system's packages.

Without Chromium nothing can be tested. Without Firefox or WebKit the tests in them are skipped, so that ends well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Playwright, sync_playwright

SYSTEM: dict[str, list[tuple[str, ...]]] = {
    "chromium": [("chromium",), ("chromium-browser",), ("google-chrome",)],
    "firefox": [("firefox-esr",), ("firefox",)],
    "webkit": [("WebKitWebDriver", "Xvfb")],
}
"""Commands that the system may have each by; the first is what to start, the others what it needs."""
LISTS = "webext-ublock-origin-chromium"
"""The package with the lists of content blockers that `tests/test_blocking.py` reads."""
PACKAGES = {"chromium": ["chromium"], "firefox": ["firefox-esr"], "webkit": ["webkit2gtk-driver", "xvfb"]}
PATIENCE = 900
"""Seconds that each command may take."""


def own(playwright: Playwright, kind: str) -> str | None:
    """The path of the browser that Playwright itself downloaded, if it did."""
    path: str = getattr(playwright, kind).executable_path
    return path if Path(path).exists() else None


def system(kind: str) -> str | None:
    """The path of the system's browser, if it has one; WebKit's is its driver."""
    there = [group[0] for group in SYSTEM[kind] if all(shutil.which(command) for command in group)]
    return shutil.which(there[0]) if there else None


def find_browser() -> str | None:
    """The path of a Chromium that Playwright can drive, its own first."""
    with sync_playwright() as playwright:
        return own(playwright, "chromium") or system("chromium")


def missing() -> list[str]:
    """The browsers that neither Playwright nor the system has."""
    with sync_playwright() as playwright:
        return [kind for kind in SYSTEM if not own(playwright, kind) and not system(kind)]


def download(kinds: list[str]) -> bool:
    """Playwright's own, the first of them alone: where that can't be had, the others can't either."""
    command = [sys.executable, "-m", "playwright"]
    if not all(_run([*command, "install", *some]) for some in (kinds[:1], kinds[1:]) if some):
        return False
    return os.geteuid() != 0 or _run([*command, "install-deps", *kinds])


def install(kinds: list[str]) -> None:
    """The system's packages, each kind by itself: not every system has them all."""
    _run(["apt-get", "update", "-q"])
    for kind in kinds:
        _run(["apt-get", "install", "-qy", "--no-install-recommends", *PACKAGES[kind]])


def install_lists() -> None:
    """What content blockers go by, where the system has it."""
    if (
        os.geteuid() == 0
        and shutil.which("apt-get")
        and not Path("/usr/share/chromium/extensions/ublock-origin").exists()
    ):
        _run(["apt-get", "update", "-q"])
        _run(["apt-get", "install", "-qy", "--no-install-recommends", LISTS])


def _run(command: list[str]) -> bool:
    quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=quietly, check=False, timeout=PATIENCE).returncode == 0


def main() -> None:
    lacking = missing()
    if lacking and not download(lacking) and os.geteuid() == 0 and shutil.which("apt-get"):
        install(missing())
    install_lists()
    lacking = missing()
    if "chromium" in lacking:
        sys.exit("No browser could be installed: install Chromium by your system's means, then run this again.")
    if lacking:
        sys.stdout.write(f"The tests in {' and '.join(lacking)} will be skipped: install what they need to run them.\n")


if __name__ == "__main__":
    main()
