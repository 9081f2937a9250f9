"""Where a survey stands: measured boxes for each placement, width and reading direction."""

from __future__ import annotations

import pytest
from playwright.sync_api import FloatRect, Locator, expect

from tests.browser.conftest import TALL, Visit, Visitor

PLACEMENTS = ("slide-in-left", "slide-in-right", "callout-left", "callout-right", "banner")
SIZES = ((1280, 800), (768, 1024), (375, 667), (320, 568))
SCALES = ({"metric": "csat", "scale": 7}, {"metric": "nps"})


def box_of(locator: Locator) -> FloatRect:
    """The box once the motion is over."""
    locator.evaluate("(element) => Promise.all(element.getAnimations().map((motion) => motion.finished))")
    box = locator.bounding_box()
    assert box
    return box


def check_sides(box: FloatRect, placement: str, width: int, height: int) -> None:
    left, right = box["x"], width - box["x"] - box["width"]
    above, below = box["y"], height - box["y"] - box["height"]
    assert left >= -0.5, "off the left edge"
    assert right >= -0.5, "off the right edge"
    if placement == "banner":
        assert (above, left, right) == (0, 0, 0)
        return
    assert above >= 0
    assert 8 <= below <= 16
    near, far = (left, right) if placement.endswith("left") else (right, left)
    assert 8 <= near <= 16
    if width >= 768:
        assert far > width / 3, "stands on its own side"


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_placement_stands_where_it_says(
    visitor: Visitor, placement: str, width: int, height: int, direction: str
) -> None:
    visit = visitor(viewport={"width": width, "height": height})
    visit.body, visit.direction = TALL, direction
    language = "he" if direction == "rtl" else "en"
    scale = SCALES[width == 320]
    visit.site.publish(**scale, language=language, appearance={"position": placement})
    visit.open().expect_shown()
    survey = visit.survey
    expect(survey).to_have_attribute("data-position", placement)
    expect(survey).to_have_attribute("dir", direction)
    expect(survey).to_have_attribute("lang", language)
    if placement.startswith("callout"):
        expect(survey).to_have_attribute("data-state", "closed")
        check_sides(box_of(survey.get_by_role("button")), placement, width, height)
        survey.get_by_role("button").click()
    expect(survey).to_have_attribute("data-state", "open")
    card = survey.get_by_role("dialog")
    check_sides(box_of(card), placement, width, height)

    radios = survey.get_by_role("radio")
    boxes = radios.evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().toJSON())")
    assert all(box["height"] >= 44 and box["width"] >= 24 for box in boxes), boxes
    first, second = boxes[0], boxes[1]
    assert (second["x"] > first["x"]) == (direction == "ltr"), "scores run the way people read"

    radios.nth(0).check()
    check_sides(box_of(card), placement, width, height)
    sideways = "(e) => e.scrollWidth - e.clientWidth"
    assert card.evaluate(sideways) <= 0
    assert visit.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    visit.send()
    expect(survey).to_have_attribute("data-state", "thanks")
    check_sides(box_of(card), placement, width, height)


def test_callout_says_its_other_text_once_closed(visit: Visit) -> None:
    texts = {"callout_text": "A minute?", "callout_closed_text": "Feedback"}
    visit.site.publish(appearance={"position": "callout-right", **texts})
    survey = visit.open().expect_shown()
    survey.get_by_role("button", name="A minute?").click()
    expect(survey.get_by_role("dialog")).to_be_focused()
    survey.get_by_role("button", name="Close").click()
    expect(survey.get_by_role("button", name="Feedback")).to_be_focused()
    expect(survey).to_have_attribute("data-state", "closed")
    visit.page.keyboard.press("Enter")
    expect(survey.get_by_role("radiogroup")).to_be_visible()


def test_layout_does_not_shift(visitor: Visitor) -> None:
    visit = visitor(reduced_motion="no-preference")
    visit.site.publish(appearance={"position": "banner"})
    visit.head = """<script>window.shift = 0; new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) shift += entry.value;
    }).observe({type: 'layout-shift', buffered: true})</script>"""
    survey = visit.open().expect_shown()
    box_of(survey.get_by_role("dialog"))
    assert visit.page.evaluate("shift") == 0


def test_host_styles_do_not_reach_in(visit: Visit) -> None:
    visit.site.publish()
    visit.head = """<style>* { all: unset !important; font-size: 3px !important; display: block !important }
      tevreden-survey { position: static !important; width: 9px !important }</style>"""
    survey = visit.open().expect_shown()
    check_sides(box_of(survey.get_by_role("dialog")), "slide-in-right", 1280, 800)
    assert survey.get_by_role("heading").evaluate("(e) => getComputedStyle(e).fontSize") == "17px"


@pytest.mark.parametrize(("preference", "motion"), [("reduce", "none"), ("no-preference", "in")])
def test_motion_is_off_for_those_who_ask(visitor: Visitor, preference: str, motion: str) -> None:
    visit = visitor(reduced_motion=preference)
    visit.site.publish()
    survey = visit.open().expect_shown()
    assert survey.get_by_role("dialog").evaluate("(e) => getComputedStyle(e).animationName") == motion


@pytest.mark.parametrize(
    ("scheme", "page", "preference", "dark"),
    [
        ("auto", "", "light", False),
        ("auto", "", "dark", False),
        ("auto", "html { color-scheme: light dark }", "light", False),
        ("auto", "html { color-scheme: light dark }", "dark", True),
        ("auto", "html { color-scheme: dark }", "light", True),
        ("auto", "body { background: #111 }", "light", True),
        ("auto", "html { background: oklch(0.2 0.02 250) }", "light", True),
        ("auto", "html { color-scheme: light dark } body { background: ivory }", "dark", False),
        ("auto", "body { background: #0002 }", "dark", False),
        ("light", "body { background: #111 }", "dark", False),
        ("dark", "body { background: #fff }", "light", True),
    ],
)
def test_scheme_follows_the_survey_then_the_page(
    visitor: Visitor, scheme: str, page: str, preference: str, dark: bool
) -> None:
    visit = visitor(color_scheme=preference)
    visit.head = f"<style>{page}</style>"
    visit.site.publish(appearance={"scheme": scheme, "color": "#ffe066"})
    survey = visit.open().expect_shown()
    ground = survey.get_by_role("dialog").evaluate("(e) => getComputedStyle(e).backgroundColor")
    channels = [int(part) for part in ground.removeprefix("rgb(").removesuffix(")").split(",")]
    assert (sum(channels) < 200) == dark
    visit.answer("Very satisfied")
    button = survey.get_by_role("button", name="Send")
    assert button.evaluate("(e) => getComputedStyle(e).backgroundColor") == "rgb(255, 224, 102)"
    assert button.evaluate("(e) => getComputedStyle(e).color") == "rgb(0, 0, 0)"
