"""What an open survey costs a large page on which something always changes."""

from __future__ import annotations

import time
from statistics import median

from playwright.sync_api import CDPSession

from tests.browser.conftest import Visit

NODES = 200_000
"""Nodes of the page."""
SLOWER = 4
"""How many times slower than this machine the processor is."""
MOST = 0.02
"""The part of the processor's time that the survey may take, of script, style and layout."""
WATCHED = 3.0
"""Seconds."""

LARGE = """(nodes) => {
  const rows = document.createDocumentFragment();
  for (let i = 0; i < nodes / 200; i++) {
    const row = document.createElement('div');
    for (let j = 0; j < 199; j++) row.append(document.createElement('i'));
    rows.append(row);
  }
  document.body.append(rows);
  const clock = document.createElement('p');
  document.body.prepend(clock);
  setInterval(() => {
    clock.replaceChildren(document.createTextNode(Date.now()));
    clock.className = 'x' + Date.now();
  }, 25);
}"""


def busy_seconds(page: CDPSession) -> float:
    """Seconds of script, style and layout so far, as Chromium counts them."""
    found = {one["name"]: one["value"] for one in page.send("Performance.getMetrics")["metrics"]}
    return float(sum(found[name] for name in ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")))


def share(page: CDPSession) -> float:
    """The part of the time that the page is busy."""
    before, start = busy_seconds(page), time.monotonic()
    time.sleep(WATCHED)  # what is measured takes its time
    return (busy_seconds(page) - before) / (time.monotonic() - start)


def test_open_survey_adds_next_to_nothing_to_a_large_page_that_always_changes(visit: Visit) -> None:
    visit.site.publish(when={"event": "go"})
    visit.open()
    visit.page.evaluate(LARGE, NODES)
    page = visit.page.context.new_cdp_session(visit.page)
    page.send("Performance.enable")
    page.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    without = [share(page) for _ in range(3)]
    page.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    visit.page.evaluate("tevreden.event('go')")
    visit.page.wait_for_function("document.querySelector('tevreden-survey')", timeout=30_000)
    page.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    share(page)  # until it has come to rest
    with_it = [share(page) for _ in range(3)]
    assert median(without) > 0
    assert median(with_it) - median(without) <= MOST, f"busy without {without}, with an open survey {with_it}"
