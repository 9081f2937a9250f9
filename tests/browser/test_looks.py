"""What visitors see and press: contrast in every state, presses that count once, a step at a time, the site's brand."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Visit, Visitor

PLACEMENTS = ("slide-in-left", "slide-in-right", "callout-left", "callout-right", "banner")
TEXT, GRAPHIC = 4.5, 3
"""The least contrast of text, and of what else must be seen (WCAG 2.2)."""

CONTRAST = """(one) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const channels = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [[r, g, b], a / 255];
  };
  const mix = (over, alpha, under) => over.map((channel, at) => channel * alpha + under[at] * (1 - alpha));
  const on = (color, under) => mix(...channels(color), under);
  const luminance = (color) => {
    const [r, g, b] = color.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (first, second) => {
    const [low, high] = [luminance(first), luminance(second)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const style = getComputedStyle(one), card = channels(getComputedStyle(one.closest(".card")).backgroundColor)[0];
  const seen = (color) => {
    const gray = 0.2126 * color[0] + 0.7152 * color[1] + 0.0722 * color[2];
    return mix(/grayscale/.test(style.filter) ? [gray, gray, gray] : color, +style.opacity, card);
  };
  const ground = on(style.backgroundColor, card);
  const ink = on(one.localName == "i" ? getComputedStyle(one, "::before").borderTopColor : style.color, ground);
  return {
    ink: ratio(seen(ink), seen(ground)),
    ground: ratio(seen(ground), card),
    ring: style.outlineStyle == "none" ? 0 : ratio(on(style.outlineColor, card), card),
    fill: style.backgroundColor + style.color,
  };
}"""
"""Of an element in the card: its ink on its own ground, that ground on the card, its ring on the card."""

SCALES: dict[str, dict[str, Any]] = {
    "faces": {"metric": "csat", "scale": 7},
    "plain faces": {"metric": "csat", "scale": 7, "faces": "plain"},
    "numbers": {"metric": "nps"},
}


STILL = "(one) => Promise.all(one.closest('.card, .tab').getAnimations().map((motion) => motion.finished))"


def contrast(one: Locator) -> dict[str, Any]:
    found: dict[str, Any] = one.evaluate(CONTRAST)
    return found


def choose(survey: Locator, score: int) -> None:
    """With the mouse, which stays there; until the card takes presses again."""
    survey.get_by_role("radio").nth(score).click()
    expect(survey.get_by_role("button", name="Send")).to_be_enabled()


def press_twice(visit: Visit, one: Locator) -> None:
    """In the middle of where it is; and once more, as slow as a second press may be."""
    expect(visit.survey.locator(".wait")).to_have_count(0)  # it takes presses by now
    one.evaluate(STILL)
    box = one.bounding_box()
    assert box
    place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    visit.page.mouse.dblclick(*place)
    visit.page.wait_for_timeout(200)
    visit.page.mouse.click(*place)


@pytest.mark.parametrize("ground", ["#fff", "#111"])
@pytest.mark.parametrize("color", ["#0b7a75", "#ffe066", "#777777", "#000000", "#ffffff"])
@pytest.mark.parametrize("scale", SCALES)
def test_contrast_holds_in_every_state(visitor: Visitor, scale: str, color: str, ground: str) -> None:
    visit = visitor()
    visit.head = f"<style>body {{ background: {ground} }}</style>"
    survey_of = dict(SCALES[scale])
    faces = survey_of.pop("faces", "color")
    visit.site.publish(**survey_of, appearance={"color": color, "faces": faces})
    survey = visit.open().expect_shown()
    least = TEXT if scale == "numbers" else GRAPHIC
    radios = survey.get_by_role("radio")
    drawn = survey.locator("label > :is(i, b)")
    states: dict[str, float] = {}
    for score in range(radios.count()):
        states[f"{score} at rest"] = contrast(drawn.nth(score))["ink"]
        radios.nth(score).hover()
        states[f"{score} under the pointer"] = contrast(drawn.nth(score))["ink"]
    for score in (0, 2, radios.count() - 1):
        choose(survey, score)
        hovered = contrast(drawn.nth(score))
        visit.page.mouse.move(5, 5)
        chosen = contrast(drawn.nth(score))
        assert chosen["fill"] == hovered["fill"], "what is chosen stays so under the pointer"
        states[f"{score} chosen"] = chosen["ink"]
        states[f"{score} chosen, under the pointer"] = hovered["ink"]
        if faces == "color" and scale == "faces":
            assert min(chosen["ground"], chosen["ring"]) >= GRAPHIC, "it is told from the card"
        states["1 beside what is chosen"] = contrast(drawn.nth(1))["ink"]
        radios.nth(1).hover()
        states["1 beside what is chosen, under the pointer"] = contrast(drawn.nth(1))["ink"]
    radios.last.focus()
    visit.page.keyboard.press("ArrowLeft")
    assert contrast(drawn.nth(radios.count() - 2))["ring"] >= GRAPHIC, "focus by keyboard"
    assert {state: ratio for state, ratio in states.items() if ratio < least} == {}
    button = survey.get_by_role("button", name="Send")
    expect(button).to_be_enabled()
    assert contrast(button)["ink"] >= TEXT
    button.evaluate("(one) => (one.disabled = true)")
    assert contrast(button)["ink"] >= TEXT, "disabled"


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("scale", [{"metric": "csat"}, {"metric": "nps"}], ids=["faces", "numbers"])
def test_double_press_on_any_score_still_waits_for_the_comment(
    visitor: Visitor, placement: str, scale: dict[str, str]
) -> None:
    visit = visitor(reduced_motion="no-preference")
    survey_of = visit.site.publish(**scale, where={"include": ["/elsewhere"]}, appearance={"position": placement})
    visit.head = "<script>pressed = 0; addEventListener('click', () => pressed++)</script>"
    survey = visit.survey
    for score in range(5 if scale["metric"] == "csat" else 11):
        visit.requests.clear()
        visit.open()
        visit.page.evaluate("(key) => tevreden.show(key)", survey_of["key"])
        expect(survey).to_be_visible()
        if placement.startswith("callout"):
            press_twice(visit, survey.locator(".tab"))
            expect(survey.get_by_role("radio", checked=True)).to_have_count(0)
        radio = survey.get_by_role("radio").nth(score)
        press_twice(visit, radio)
        expect(radio).to_be_checked()
        expect(survey.get_by_role("textbox")).to_be_visible()
        expect(survey.get_by_role("button", name="Send")).to_be_enabled()
        expect(survey).to_have_attribute("data-state", "open")
        assert visit.page.evaluate("pressed") == 0, "the page under it was not pressed"
        assert not any('"complete":true' in (one.post_data or "") for one in visit.requests)
    survey.get_by_role("textbox").fill("Still here")
    visit.send()
    assert visit.site.responses()[0]["comment"] == "Still here"


def test_send_is_disabled_for_half_a_second_after_a_score(visit: Visit) -> None:
    visit.site.publish()
    survey = visit.open().expect_shown()
    seen = survey.evaluate(
        """async ({ shadowRoot }) => {
          shadowRoot.querySelector("[value='4']").click();
          const button = shadowRoot.querySelector("form button"), start = performance.now();
          const first = button.disabled;
          while (button.disabled) await new Promise(requestAnimationFrame);
          return [first, performance.now() - start];
        }"""
    )
    assert seen[0]
    assert seen[1] >= 490


def test_double_press_on_send_takes_no_step_twice(visit: Visit) -> None:
    visit.site.publish(thank_you={"positive": {"link": "https://shop.example/reviews"}})
    survey = visit.open().expect_shown()
    visit.answer("Satisfied")
    press_twice(visit, survey.get_by_role("button", name="Send"))
    expect(survey.get_by_role("textbox", name="Your e-mail address (optional)")).to_be_visible()
    press_twice(visit, survey.get_by_role("button", name="Send"))
    expect(survey.get_by_role("link")).to_be_visible()
    assert len(visit.context.pages) == 1, "the link was not pressed"


def test_never_more_than_two_things_are_asked_at_once(visit: Visit) -> None:
    visit.site.publish(email_capture={"consent_text": "We may write back."})
    survey = visit.open().expect_shown()
    fields = survey.locator(".scale, textarea, input[type=email]")
    expect(fields).to_have_count(1)
    visit.answer("Satisfied")
    expect(fields).to_have_count(2)
    survey.get_by_role("button", name="Send").click()
    expect(fields).to_have_count(1)
    expect(survey.get_by_role("dialog")).to_have_accessible_name("Your e-mail address (optional)")


def test_comment_is_on_disk_before_the_address_is_given(visit: Visit) -> None:
    visit.site.publish()
    survey = visit.open().expect_shown()
    visit.answer("Satisfied")
    survey.get_by_role("textbox").fill("Well wrapped")
    with visit.page.expect_response(lambda reply: "Well wrapped" in (reply.request.post_data or "")):
        survey.get_by_role("button", name="Send").click()
    visit.page.goto("about:blank")
    (response,) = visit.site.responses()
    assert (response["comment"], response["email"], response["complete"]) == ("Well wrapped", None, False)


def test_score_without_a_follow_up_leads_to_the_address_and_is_not_sent_empty(visit: Visit) -> None:
    visit.site.publish(follow_up={"negative": "", "neutral": "", "positive": ""})
    survey = visit.open().expect_shown()
    press_twice(visit, survey.get_by_role("radio", name="Satisfied", exact=True))
    expect(survey.get_by_role("textbox", name="Your e-mail address (optional)")).to_be_visible()
    visit.send("jo@example.com")
    (response,) = visit.site.responses()
    assert (response["score"], response["email"]) == (4, "jo@example.com")


def test_everything_that_is_pressed_is_44_pixels_high(visitor: Visitor) -> None:
    visit = visitor(viewport={"width": 320, "height": 568}, has_touch=True, is_mobile=True)
    visit.site.publish(
        appearance={"position": "callout-right"}, thank_you={"positive": {"link": "https://shop.example/more"}}
    )
    survey = visit.open().expect_shown()
    pressed = survey.locator("button, textarea, input, a")

    def look() -> None:
        boxes = pressed.evaluate_all("(all) => all.map((one) => [one.localName, one.offsetHeight, one.offsetWidth])")
        assert boxes
        assert all(height >= 44 and width >= 24 for _, height, width in boxes), boxes

    look()
    survey.locator(".tab").click()
    look()
    visit.answer("Satisfied")
    look()
    survey.get_by_role("button", name="Send").click()
    look()
    visit.send()
    look()


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_recommendation_is_one_row_at_320_pixels_with_its_ends_beneath_it(visitor: Visitor, direction: str) -> None:
    visit = visitor(viewport={"width": 320, "height": 568})
    visit.site.publish(metric="nps", language="ar" if direction == "rtl" else "de", question="?" * 40)
    survey = visit.open().expect_shown()
    boxes = survey.locator("b").evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().toJSON())")
    assert (len(boxes), len({box["y"] for box in boxes})) == (11, 1)
    ends = survey.locator("#ends span").evaluate_all("(all) => all.map((e) => e.getBoundingClientRect().toJSON())")
    near, far = ("left", "right") if direction == "ltr" else ("right", "left")
    assert abs(ends[0][near] - boxes[0][near]) <= 1
    assert abs(ends[1][far] - boxes[10][far]) <= 1
    assert all(end["top"] >= boxes[0]["bottom"] for end in ends)


@pytest.mark.parametrize(("preference", "moves"), [("reduce", False), ("no-preference", True)])
def test_card_grows_to_the_next_step_unless_motion_is_unwanted(
    visitor: Visitor, preference: str, *, moves: bool
) -> None:
    visit = visitor(reduced_motion=preference)
    visit.site.publish()
    survey = visit.open().expect_shown()
    card = survey.get_by_role("dialog")
    card.evaluate("(one) => Promise.all(one.getAnimations().map((motion) => motion.finished))")
    before = card.bounding_box()
    lengths = survey.evaluate(
        """({ shadowRoot }) => {
          shadowRoot.querySelector("[value='4']").click();
          return shadowRoot.querySelector(".card").getAnimations().map((one) => one.effect.getTiming().duration);
        }"""
    )
    assert lengths == ([250] if moves else [])
    card.evaluate("(one) => Promise.all(one.getAnimations().map((motion) => motion.finished))")
    after = card.bounding_box()
    assert before
    assert after
    assert after["height"] > before["height"]
    assert abs(after["y"] + after["height"] - before["y"] - before["height"]) < 1, "it stays in its corner"


def test_card_turns_dark_with_the_page(visit: Visit) -> None:
    visit.head = "<style>.dark { background: #111; transition: background 0.2s }</style>"
    visit.site.publish()
    survey = visit.open().expect_shown()
    card = survey.get_by_role("dialog")
    expect(card).to_have_css("background-color", "rgb(255, 255, 255)")
    visit.page.evaluate("document.body.className = 'dark'")
    expect(card).to_have_css("background-color", "rgb(31, 34, 38)")
    visit.page.evaluate("document.body.className = ''")
    expect(card).to_have_css("background-color", "rgb(255, 255, 255)")


def test_card_in_a_dark_part_of_a_light_page_is_dark(visit: Visit) -> None:
    survey_of = visit.site.publish(where={"include": ["/elsewhere"]})
    visit.body = '<section style="background: #123"><div id=here></div></section>'
    visit.open()
    visit.page.evaluate("(key) => tevreden.show(key, { mount: here })", survey_of["key"])
    card = visit.expect_shown().get_by_role("dialog")
    expect(card).to_have_css("background-color", "rgb(31, 34, 38)")


PIXEL = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xcf"
    b"\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82"
)


def test_surveys_wear_the_brand_of_their_site(visit: Visit) -> None:
    brand = {"logo": "/i/0a1b2c.png", "color": "#8a2be2"}
    assert visit.site.call("PATCH", f"/sites/{visit.site.key}", {"brand": brand}).json()["brand"] == brand
    survey_of = visit.site.publish()
    visit.context.route("**/i/*.png", lambda route: route.fulfill(body=PIXEL, content_type="image/png"))
    survey = visit.open().expect_shown()
    logo = survey.locator("img")
    expect(logo).to_have_js_property("src", f"{visit.site.url}/i/0a1b2c.png")
    expect(logo).to_have_js_property("naturalWidth", 1)
    visit.answer("Satisfied")
    expect(survey.get_by_role("button", name="Send")).to_have_css("background-color", "rgb(138, 43, 226)")
    name = visit.site.call("GET", f"/sites/{visit.site.key}").json()["name"]
    visit.page.goto(survey_of["url"].replace(survey_of["url"].split("/s/")[0], visit.site.url))
    expect(visit.page.get_by_role("img", name=name)).to_be_visible()
    expect(visit.page.locator("body")).to_have_css("border-top-color", "rgb(138, 43, 226)")
    expect(visit.survey).to_be_visible()
    expect(survey.locator("img")).to_have_count(0)
    assert [one for one in visit.errors if "404" not in one] == []


def test_logo_that_the_page_does_not_let_in_leaves_no_gap(visit: Visit) -> None:
    visit.site.call("PATCH", f"/sites/{visit.site.key}", {"brand": {"logo": "/i/0a1b2c.png"}})
    visit.site.publish()
    visit.head = '<meta http-equiv="Content-Security-Policy" content="img-src \'none\'">'
    survey = visit.open().expect_shown()
    expect(survey.locator("img")).to_have_count(0)


def test_colour_that_was_chosen_for_a_survey_wins_over_the_brand(visit: Visit) -> None:
    visit.site.call("PATCH", f"/sites/{visit.site.key}", {"brand": {"color": "#8a2be2"}})
    visit.site.publish(appearance={"color": "#c2410c"})
    survey = visit.open().expect_shown()
    visit.answer("Satisfied")
    expect(survey.get_by_role("button", name="Send")).to_have_css("background-color", "rgb(194, 65, 12)")
