"""Where, when and how often a survey shows, in three lines each. Copy what you need."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from collector.testing.kit import SurveyKit


def test_survey_sits_in_the_corner_after_an_order(survey: SurveyKit) -> None:
    survey.publish(where={"include": ["shop.example/order/*"]})
    survey.open("https://shop.example/order/7")
    survey.to_be_at("slide-in-right")


def test_no_survey_while_people_pay(survey: SurveyKit) -> None:
    survey.publish(where={"exclude": ["/checkout/*"]})
    survey.open("https://shop.example/checkout/pay")
    survey.not_to_be_shown(because="excluded")


def test_survey_waits_five_seconds(survey: SurveyKit) -> None:
    survey.publish(when={"delay_seconds": 5})
    survey.open("https://shop.example/")
    survey.not_to_be_shown(because="waiting")
    survey.move_clock(seconds=5)
    survey.to_be_shown()


def test_answer_and_its_reason_arrive(survey: SurveyKit) -> None:
    survey.publish(metric="nps", follow_up={"negative": "What went wrong?"})
    survey.open("https://shop.example/")
    answer = survey.answer(3, comment="It came too late", email="jo@example.com")
    assert (answer["score"], answer["group"], answer["comment"]) == (3, "negative", "It came too late")


def test_who_closed_it_is_asked_again_after_a_month(survey: SurveyKit) -> None:
    survey.publish(frequency={"unanswered": "after", "unanswered_days": 30})
    survey.open("https://shop.example/")
    survey.dismiss()
    survey.come_back(days=29)
    survey.not_to_be_shown(because="seen")
    survey.come_back(days=2)
    survey.to_be_shown()


def test_who_answered_is_left_alone_and_others_are_not(survey: SurveyKit) -> None:
    survey.publish()
    survey.open("https://shop.example/")
    survey.answer("Very satisfied")
    survey.come_back(days=400)
    survey.not_to_be_shown(because="answered")
    survey.be_new()
    survey.open("https://shop.example/")
    survey.to_be_shown()


def test_known_customer_is_not_asked_for_an_address(survey: SurveyKit) -> None:
    survey.publish()
    survey.be_known("jo@example.com", plan="pro")
    survey.open("https://shop.example/")
    answer = survey.answer(4)
    assert (answer["email"], answer["email_verified"]) == ("jo@example.com", True)


def test_banner_on_a_phone(survey: SurveyKit) -> None:
    survey.publish(appearance={"position": "banner"})
    survey.be_on_a_phone()
    survey.open("https://shop.example/")
    survey.to_be_at("banner")


def test_survey_does_not_cover_the_order_button(page: Page, survey: SurveyKit) -> None:
    survey.publish(appearance={"position": "slide-in-left"})
    survey.open("https://shop.example/cart", html="<button style='float: right'>Order</button>")
    survey.to_be_shown()
    page.get_by_role("button", name="Order").click()
    expect(survey.element).to_be_visible()
