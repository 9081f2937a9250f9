"""An example for each key of the survey document, for its JSON Schema and the API reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

THANK_YOU: dict[str, Any] = {
    "heading": "Thank you, {contact.first_name|there}!",
    "body": "Your answer helps us to do better.",
    "image": True,
    "link": "https://shop.example/support",
    "link_text": "Contact us",
}
FOLLOW_UP = {"negative": "What went wrong?", "neutral": "What could be better?", "positive": "What did you like most?"}
EMAIL_CAPTURE = {"ask": "unknown", "consent_text": "We may contact you about your answer."}
APPEARANCE = {
    "position": "slide-in-right",
    "color": "#0b7a75",
    "faces": "color",
    "scheme": "auto",
    "offset": 84,
    "callout_text": "How was your order?",
    "callout_closed_text": "Feedback",
}
THANK_YOU_TRANSLATION = {
    "heading": "Bedankt, {contact.first_name|beste klant}!",
    "body": "Met je antwoord doen we het beter.",
    "link": "https://shop.example/nl/hulp",
    "link_text": "Neem contact op",
}
TRANSLATION: dict[str, Any] = {
    "question": "Hoe tevreden ben je met je bestelling?",
    "follow_up": {"negative": "Wat ging er mis?", "neutral": "Wat kan beter?", "positive": "Wat beviel je het meest?"},
    "thank_you": {"negative": THANK_YOU_TRANSLATION},
    "email_capture": {"consent_text": "Je mag me mailen over mijn antwoord."},
    "appearance": {"callout_text": "Hoe was je bestelling?", "callout_closed_text": "Feedback"},
}
SURVEY: dict[str, Any] = {
    "name": "After checkout",
    "metric": "csat",
    "scale": 5,
    "delivery": "web",
    "language": "en",
    "question": "How satisfied are you with your order?",
    "follow_up": FOLLOW_UP,
    "thank_you": {"negative": THANK_YOU, "positive": {"heading": "Glad to hear it!"}},
    "email_capture": EMAIL_CAPTURE,
    "appearance": APPEARANCE,
    "where": {"include": ["shop.example/order/*"], "exclude": ["*/checkout/pay"], "small_screens": True},
    "who": {"audience": "all"},
    "when": {
        "delay_seconds": 5,
        "scroll_percent": 50,
        "exit_intent": False,
        "event": "order placed",
        "element": "#reviews",
        "match": "any",
    },
    "frequency": {
        "unanswered": "after",
        "unanswered_days": 30,
        "answered_days": 180,
        "sample_percent": 100,
        "priority": 0,
    },
    "translations": {"nl": TRANSLATION},
}
OF_PARTS: Mapping[str, Mapping[str, Any]] = {
    "FollowUp": FOLLOW_UP,
    "ThankYou": THANK_YOU,
    "ThankYous": {
        "negative": THANK_YOU,
        "neutral": {"heading": "Thank you"},
        "positive": {"heading": "Glad to hear it!"},
    },
    "EmailCapture": EMAIL_CAPTURE,
    "Appearance": APPEARANCE,
    "Where": SURVEY["where"],
    "Who": SURVEY["who"],
    "When": SURVEY["when"],
    "Frequency": SURVEY["frequency"],
    "ThankYouTranslation": THANK_YOU_TRANSLATION,
    "ThankYouTranslations": {
        "negative": THANK_YOU_TRANSLATION,
        "neutral": {"heading": "Bedankt"},
        "positive": {"heading": "Fijn om te horen!"},
    },
    "EmailTranslation": TRANSLATION["email_capture"],
    "AppearanceTranslation": TRANSLATION["appearance"],
    "Translation": TRANSLATION,
    "SurveyDocument": SURVEY,
}


def exemplified(examples: Mapping[str, Mapping[str, Any]]) -> Callable[[dict[str, Any], type], None]:
    """For a model's `json_schema_extra`: adds the examples that stand under the model's name."""

    def add(schema: dict[str, Any], model: type) -> None:
        for key, value in examples.get(model.__name__, {}).items():
            schema["properties"][key]["examples"] = [value]

    return add
