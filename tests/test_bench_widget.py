"""The tables of ``make bench-widget``, on made-up figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import document
from tests.benchmarks.widget.loads import Cost
from tests.benchmarks.widget.table import Measured, Wanted, kilobytes, lines, ratio, wanted

pytestmark = pytest.mark.slow


def measured(name: str, *figures: tuple[float, ...], shown: tuple[float, ...] = ()) -> Measured:
    return Measured(name, [Cost(*one) for one in figures], list(shown))


PAGES = {
    "Plausible": measured("Analytics", *[(2, 2321, 10 * round_, 20, 105_000, 0, 0) for round_ in (1, 2, 4)]),
    "PostHog": measured("Rival", *[(7, 146_053, 300, 400, 1_500_000, 267, 0.028)] * 3, shown=(2000, 2000.4, 2600)),
    "none": measured("Ours", *[(1, 2955, script, 30, 120_000, 0, 0) for script in (20, 20, 20)]),
    "shown": measured("Ours shown", *[(3, 7213, 22, 96, 220_000, 0, 0)] * 3, shown=(900, 1000, 1100)),
}


def test_each_page_has_a_line_of_medians() -> None:
    table = lines(PAGES)
    assert "| Analytics | 2 | 2.3 KB | 20 ms | 20 ms | 105 KB | 0 ms | 0 | – |" in table
    assert "| Rival | 7 | 146 KB | 300 ms | 400 ms | 1,500 KB | 267 ms | 0.028 | 2,000 ms |" in table


def test_ratios_and_differences_are_those_of_each_round() -> None:
    assert PAGES["none"].over(PAGES["Plausible"], "script") == 1  # of 2, 1 and 0.5
    assert PAGES["none"].beyond(PAGES["Plausible"], "script") == 0  # of 10, 0 and -20
    assert PAGES["shown"].over(PAGES["PostHog"], "shown") == pytest.approx(0.45)


def test_what_is_wanted_stands_beside_what_was_measured() -> None:
    table = lines(PAGES)
    assert "| bytes | **2.96 KB** | ≤ 3.00 KB | ≤ 2.50 KB |" in table
    assert "| script ÷ PostHog's | **0.07** | ≤ 0.10 | – |" in table
    assert "| blocking | **0 ms** | 0 | – |" in table
    assert "| CPU beyond Plausible's | **10 ms** | ≤ 20 ms | – |" in table
    assert all(one.reached for one in wanted(PAGES) if "shown after" not in one.name)


def test_what_is_over_the_limit_is_not_reached() -> None:
    assert Wanted("bytes", 3000, 3000, kilobytes).reached
    assert not Wanted("bytes", 3001, 3000, kilobytes).reached
    nothing = measured("Broken", *[(0, 0, 0, 0, 0, 0, 0)] * 3)
    assert (
        str(Wanted("script", PAGES["none"].over(nothing, "script"), 1.5, ratio)) == "| script | **inf** | ≤ 1.50 | – |"
    )


def test_tables_go_between_their_marks_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    file = tmp_path / "docs" / "operator.md"
    text = "A\n<!-- bench -->\n{}\n<!-- /bench -->\nB\n<!-- bench-widget -->\n{}\n<!-- /bench-widget -->\n"
    file.write_text(text.format("\nold\n", ""))
    monkeypatch.setattr(document, "ROOT", tmp_path)
    document.write("bench", "new \\1")
    document.write("bench-widget", "newer")
    assert file.read_text() == text.format("\nnew \\1\n", "\nnewer\n")
