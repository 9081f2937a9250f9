"""What axe finds: nothing, in every placement and state, in both directions, schemes and for colours of every kind."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Visit, Visitor
from tests.browser.owner import AXE

RUN = """() => axe.run({include: [["tevreden-survey"]]}).then(({violations}) =>
  violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(" | ")}`))"""
PLACEMENTS = ("slide-in-left", "slide-in-right", "callout-left", "callout-right", "banner")
SCALES: dict[str, dict[str, Any]] = {
    "csat 3": {"metric": "csat", "scale": 3},
    "csat 7": {"metric": "csat", "scale": 7},
    "nps": {"metric": "nps"},
    "ces": {"metric": "ces"},
}


def look(visit: Visit, state: str) -> None:
    """No finding of axe in this state of the survey."""
    visit.page.evaluate(f"{AXE}; undefined")
    assert visit.page.evaluate(RUN) == [], state


def through(visit: Visit, survey: Locator) -> None:
    """Every state that a visitor comes by, looked at."""
    if survey.get_attribute("data-state") == "closed":
        look(visit, "closed")
        survey.get_by_role("button").click()
    look(visit, "open")
    survey.get_by_role("radio").nth(1).check()
    look(visit, "scored")
    survey.locator("form button").click()
    look(visit, "asked for an address")
    survey.get_by_role("textbox").fill("no address")
    survey.locator("form button").click()
    expect(survey.get_by_role("alert")).not_to_be_empty()
    look(visit, "refused")
    survey.get_by_role("textbox").fill("")
    survey.locator("form button").click()
    expect(survey).to_have_attribute("data-state", "thanks")
    look(visit, "thanks")


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_axe_finds_nothing_in_any_placement_and_state(visit: Visit, placement: str, language: str) -> None:
    visit.lang, visit.direction = language, "rtl" if language == "ar" else "ltr"
    visit.site.publish(
        language=language,
        appearance={"position": placement},
        email_capture={"consent_text": "We answer by mail."},
        thank_you={"negative": {"link": "https://shop.example/help"}},
    )
    through(visit, visit.open().expect_shown())


COLOURS = [("csat 3", color) for color in ("#ffffff", "#000000", "#0b7a75")]
COLOURS += [(scale, color) for scale in SCALES for color in ("#ffe066", "#777777")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("scale", "color"), COLOURS)
def test_contrast_holds_for_any_theme_colour(visitor: Visitor, scale: str, scheme: str, color: str) -> None:
    visit = visitor(color_scheme=scheme)
    visit.site.publish(**SCALES[scale], appearance={"color": color})
    through(visit, visit.open().expect_shown())
    assert visit.errors == []


@pytest.mark.parametrize("scale", SCALES)
def test_every_score_has_a_name_and_a_target_44_pixels_high_and_24_wide(visitor: Visitor, scale: str) -> None:
    for width in (320, 375, 768):
        visit = visitor(viewport={"width": width, "height": 700}, has_touch=True, is_mobile=True)
        visit.site.publish(**SCALES[scale])
        survey = visit.open().expect_shown()
        radios = survey.get_by_role("radio")
        names = radios.evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")
        assert len(set(names)) == len(names)
        assert all(names)
        boxes = radios.evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().toJSON())")
        assert min(box["height"] for box in boxes) >= 44, (width, boxes)
        assert min(box["width"] for box in boxes) >= 24, (width, boxes)
        assert len({box["y"] for box in boxes}) == 1, "all in one row"
        gaps = [right["x"] - left["x"] - left["width"] for left, right in itertools.pairwise(boxes)]
        assert max(gaps) < 0.1, "no press falls between two scores"


def test_zoomed_to_four_times_nothing_is_cut_off(visitor: Visitor) -> None:
    visit = visitor(viewport={"width": 320, "height": 256})
    visit.site.publish(metric="nps", question="How likely are you to recommend us to a friend or a colleague?")
    survey = visit.open().expect_shown()
    survey.get_by_role("radio").last.check()
    card = survey.get_by_role("dialog")
    box = card.bounding_box()
    assert box
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= 256
    assert card.evaluate("(e) => e.scrollWidth - e.clientWidth") <= 0
    visit.send()
    expect(survey).to_have_attribute("data-state", "thanks")


def test_forced_colours_show_what_is_chosen(visitor: Visitor) -> None:
    visit = visitor(forced_colors="active")
    visit.site.publish()
    survey = visit.open().expect_shown()
    survey.get_by_role("radio").nth(2).check()
    rings = survey.locator(".scale i").evaluate_all("(all) => all.map((one) => getComputedStyle(one).outlineStyle)")
    assert rings == ["none", "none", "solid", "none", "none"]
    look(visit, "forced colours")
