"""``make bench-widget``: what a page costs with our script, beside what else people put into their pages.

Pages are loaded one after the other, round after round, each time in a browser of its own. An empty page is among them;
figures are what a page adds to the empty one of its round. Nothing leaves this machine: others' scripts come from
their packages, and what they ask for is answered here.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.benchmarks import document
from tests.benchmarks.__main__ import collector
from tests.benchmarks.widget import loads, pages, table
from tests.benchmarks.widget.hosting import hosting
from tests.benchmarks.widget.pages import Page
from tests.benchmarks.widget.table import Measured
from tests.conftest import add_site

ROUNDS = 15


def measure(
    browser: Browser, empty: Page, others: Mapping[str, Page], rounds: int
) -> tuple[float, dict[str, Measured]]:
    """Milliseconds of CPU that the empty page takes, and what the others add to it; a first round warms up and is left
    out."""
    own: list[float] = []
    seen = {key: Measured(page.name, [], []) for key, page in others.items()}
    for number in range(rounds + 1):
        base = loads.cost(browser, empty)
        costs = {key: loads.cost(browser, page).added_to(base) for key, page in others.items()}
        shown = {key: loads.shown_after(browser, page) for key, page in others.items() if page.shows}
        if number:
            own.append(base.cpu)
            for key, one in costs.items():
                seen[key].added.append(one)
            for key, after in shown.items():
                seen[key].shown.append(after)
        sys.stderr.write(f"round {number} of {rounds}\n")
    return statistics.median(own), seen


@contextmanager
def everything() -> Iterator[tuple[Page, dict[str, Page]]]:
    """The empty page, and all others: what people put into their pages first, ours last."""
    with ExitStack() as stack:
        host = stack.enter_context(hosting())
        process = stack.enter_context(collector())
        token = process.environment["BENCH_TOKEN"]
        sites = [add_site(process.http, process.url, token) for _ in range(2)]
        others: dict[str, Page] = {}
        for peer in pages.PEERS:
            others |= peer(host)
        yield pages.empty(host), others | pages.ours(host, *sites)


def caption(chromium: str, rounds: int, cpu: float) -> str:
    """How it was measured, where an empty page takes so many milliseconds of CPU."""
    return (
        f"{document.measured()}, Chromium {chromium}, medians of {rounds} interleaved loads with nothing cached. Each "
        "line is what a page adds to an empty one. Bytes are bodies in brotli. Script and blocking are on a processor "
        f"slowed {loads.SLOWED} times. CPU is the time of the page's process, not slowed, beyond an empty page's "
        f"{cpu:.0f} ms. “Shown after” is from asking for the page, slowed, on a network of {loads.MEGABITS} Mbit/s "
        f"with {loads.LATENCY} ms latency."
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-widget", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write what was measured into docs/operator.md")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"how often each page is loaded, {ROUNDS} times if left out"
    )
    chosen = parser.parse_args()
    if not pages.PACKAGES.exists():
        sys.exit("What it is measured beside is not installed: run make bench-widget.")
    try:
        with (
            everything() as (empty, others),
            sync_playwright() as playwright,
            loads.browser(playwright.chromium) as browser,
        ):
            version = browser.version.split(".")[0]
            cpu, seen = measure(browser, empty, others, chosen.rounds)
    except AssertionError as fault:
        sys.exit(f"make bench-widget: {fault}")
    text = "\n".join([caption(version, chosen.rounds, cpu), "", *table.lines(seen)])
    sys.stdout.write(text + "\n")
    for one in table.wanted(seen):
        if not one.reached:
            sys.stderr.write(f"not reached: {one}\n")
    if chosen.write:
        document.write("bench-widget", text)


if __name__ == "__main__":
    main()
