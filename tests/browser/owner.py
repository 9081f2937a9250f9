"""An owner of a site in front of the admin, and axe."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page

from tests.conftest import ROOT, Process

AXE = (ROOT / "widget" / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
PASSWORD = "a few words of one's own"


def first_link(process: Process) -> str:
    process.start()
    (link,) = re.findall(r"http\S+/admin/welcome/\S+", process.output.read_text())
    return str(link)


def drawn(page: Page) -> Locator:
    """The survey in the editor's preview: the newest, where it is about to take the place of another."""
    return page.frame_locator("#preview").locator("tevreden-survey").last
