"""The places in the operator's page that benchmarks fill."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

from tests.conftest import ROOT


def measured() -> str:
    """When, and on what machine."""
    gigabytes = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    return f"Measured on {datetime.now(UTC):%d %B %Y}, {os.cpu_count()} cores and {gigabytes} GB"


def write(mark: str, text: str) -> None:
    """Put it between ``<!-- mark -->`` and ``<!-- /mark -->``, in place of what is there."""
    file = ROOT / "docs" / "operator.md"
    before, _, after = re.split(rf"(?s)(?<=<!-- {mark} -->\n)(.*)(?=<!-- /{mark} -->)", file.read_text("utf-8"))
    file.write_text(f"{before}\n{text}\n\n{after}", "utf-8")
