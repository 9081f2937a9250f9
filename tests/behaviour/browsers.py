"""The browsers on this machine: which there are, and windows in them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Playwright

from tests.behaviour.by_playwright import PlaywrightWindow
from tests.behaviour.by_webdriver import WebDriverWindow
from tests.behaviour.windows import Window
from tests.browser.conftest import CHROMIUM
from tests.browser.install import SYSTEM, own, system
from tests.needs import do_without

KINDS = tuple(SYSTEM)
FIREFOX = {
    "ui.prefersReducedMotion": 1,
    "fission.autostart": False,  # else the mouse does not reach into frames of other sites
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "dom.security.https_first": False,
    "browser.cache.disk.enable": False,
}
SCREEN = "1600x1200x24"
STILL = "[Settings]\ngtk-enable-animations=0\n"


class Screen:
    """A display that nobody sees, for browsers that need one."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        with os.fdopen(reading) as said:
            self._process = subprocess.Popen(
                ["Xvfb", "-displayfd", str(writing), "-screen", "0", SCREEN, "-nolisten", "tcp"],
                pass_fds=[writing],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            os.close(writing)
            self.name = ":" + said.readline().strip()

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(10)


class Browsers:
    """Starts each browser when it is first needed, all on one proxy."""

    def __init__(self, playwright: Playwright, proxy: str, folder: Path) -> None:
        """``proxy`` is ``HOST:PORT``; ``folder`` is for settings."""
        self._playwright = playwright
        self._proxy = proxy
        self._folder = folder
        self._running: dict[str, Browser] = {}
        self._screen: Screen | None = None

    def window(self, kind: str, **options: Any) -> Window:
        """A window in a new profile; options are those of a Playwright context, and WebKitGTK takes none."""
        if kind == "webkit" and not own(self._playwright, kind):
            driver = system(kind) or do_without("no WebKit: run make browser")
            return WebDriverWindow.in_new_profile(driver, self._proxy, self._environment())
        if kind not in self._running:
            self._running[kind] = self._launch(kind)
        if kind == "firefox":
            options.setdefault("reduced_motion", None)  # set for all of it, where Playwright cannot for one
        return PlaywrightWindow.in_new_profile(kind, self._running[kind], **options)

    def end(self) -> None:
        for browser in self._running.values():
            browser.close()
        if self._screen:
            self._screen.end()

    def _launch(self, kind: str) -> Browser:
        options: dict[str, Any] = {"proxy": {"server": f"http://{self._proxy}"}}
        if kind == "chromium":
            options["args"] = CHROMIUM
        if kind == "firefox":
            options["firefox_user_prefs"] = FIREFOX
        if not own(self._playwright, kind):
            options["executable_path"] = system(kind) or do_without(f"no {kind}: run make browser")
            if kind == "firefox":
                options["channel"] = "moz-firefox"  # as Mozilla builds it, by WebDriver BiDi
        browser: Browser = getattr(self._playwright, kind).launch(**options)
        return browser

    def _environment(self) -> dict[str, str]:
        """Of WebKitGTK: a screen, no movement, nothing from this user's own settings."""
        if not self._screen:
            self._screen = Screen()
            settings = self._folder / "gtk-3.0"
            settings.mkdir()
            (settings / "settings.ini").write_text(STILL)
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        return {
            **kept,
            "DISPLAY": self._screen.name,
            "XDG_CONFIG_HOME": str(self._folder),
            "NO_AT_BRIDGE": "1",
            "LC_ALL": "C.UTF-8",
        }
