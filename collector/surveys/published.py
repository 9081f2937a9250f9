"""What of a published survey travels to the browser: an allow-list, and nothing else."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from collector.access.sites import Brand
from collector.surveys.document import STANDARD_COLOR, SurveyDocument, ThankYou, ThankYouTranslation, Translation
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import Revision
from collector.surveys.metrics import GROUPS, neutral_range
from collector.surveys.patterns import compile_pattern
from collector.surveys.personal import fill


def published_survey(revision: Revision, brand: Brand, *, manual: bool = False) -> dict[str, Any]:
    """The survey as `widget/src/types.ts` describes it; what is at its default is left out, because bytes count.

    ``brand`` is the site's; ``manual`` ones show only when the page asks for them.
    """
    color = color_of(revision.document, brand)
    document = revision.document
    low, high = neutral_range(document.metric, document.points)
    where, when, frequency = document.where, document.when, document.frequency
    survey = {
        "key": revision.survey_key,
        "revision": revision.number,
        "first": 0 if document.metric == "nps" else 1,
        "points": document.points,
        "neutral": [low, high] if low < high else None,  # the middle one goes without saying
        "position": document.appearance.position,
        "offset": document.appearance.offset or None,
        "color": color,
        "ink": readable_on(color),
        "scheme": None if document.appearance.scheme == "auto" else document.appearance.scheme,
        "logo": f"../..{brand.logo}" if brand.logo else None,  # from where answers are sent to
        "plain": document.appearance.faces == "plain",
        "include": [compile_pattern(pattern) for pattern in where.include],
        "exclude": [compile_pattern(pattern) for pattern in where.exclude],
        "large": not where.small_screens,
        "delay": when.delay_seconds,
        "scroll": when.scroll_percent,
        "exit": when.exit_intent,
        "event": when.event,
        "element": when.element,
        "all": when.match == "all",
        "again": {"never": None, "always": 0, "after": frequency.unanswered_days}[frequency.unanswered],
        "renew": frequency.answered_days,
        "sample": frequency.sample_percent if frequency.sample_percent < 100 else None,
        "manual": manual,
        "email": document.email_capture.ask == "unknown",
        "texts": {
            language: _texts(document, language) for language in (document.language, *sorted(document.translations))
        },
    }
    return {key: value for key, value in survey.items() if not _goes_without_saying(key, value)}


def color_of(document: SurveyDocument, brand: Brand) -> str:
    """The theme colour of a survey on a site."""
    chosen = document.appearance.color
    return brand.color if brand.color and chosen == STANDARD_COLOR else chosen


_DEFAULTS = {"first": 1, "position": "slide-in-right", "ink": "#fff"}


def _goes_without_saying(key: str, value: object) -> bool:
    return value is None or value is False or value == [] or _DEFAULTS.get(key) == value


def _texts(document: SurveyDocument, language: str) -> dict[str, Any]:
    own = LANGUAGES[language]
    source: SurveyDocument | Translation = document.translations.get(language, document)
    texts: dict[str, Any] = {
        "question": fill(source.question),
        "ends": getattr(own, document.metric, None),
        "labels": own.satisfaction_labels(document.points) if document.metric == "csat" else None,
        "follow": [_or(getattr(source.follow_up, group), own.follow_up[group]) for group in GROUPS],
        "thanks": [
            _thanks(getattr(source.thank_you, group), getattr(document.thank_you, group), language) for group in GROUPS
        ],
        "close": own.close,
        "send": own.send,
    }
    if document.email_capture.ask == "unknown":
        texts |= {
            "email": own.email,
            "invalid": own.email_invalid,
            "consent": source.email_capture.consent_text,
        }
    if document.appearance.position.startswith("callout"):
        texts |= {
            "callout": _or(source.appearance.callout_text, own.callout),
            "reopen": fill(source.appearance.callout_closed_text or ""),
        }
    if own.direction == "rtl":
        texts["rtl"] = True
    if len(set(map(str, texts["thanks"]))) == 1:
        texts["thanks"] = texts["thanks"][:1]  # one for all
    return {key: value for key, value in texts.items() if value not in (None, "")}


def _thanks(source: ThankYou | ThankYouTranslation, first: ThankYou, language: str) -> dict[str, Any]:
    own = LANGUAGES[language].thank_you
    link = source.link or first.link
    thanks = {
        "heading": _or(source.heading, own.heading),
        "body": _or(source.body, own.body),
        "image": first.image if isinstance(first.image, str) else None if first.image else "",
        "link": link,
        "link_text": source.link_text or (urlsplit(link).hostname if link else None),
    }
    return {key: value for key, value in thanks.items() if value or (key == "image" and value is not None)}


def _or(text: str | None, otherwise: str) -> str:
    return otherwise if text is None else fill(text)


def readable_on(color: str) -> str:
    """Black or white, whichever has the higher contrast on a colour (WCAG 2.2: contrast ratio)."""
    light = luminance(color)
    return "#000" if (light + 0.05) / 0.05 > 1.05 / (light + 0.05) else "#fff"


def luminance(color: str) -> float:
    """The relative luminance of a colour, 0 to 1 (WCAG 2.2)."""
    digits = color[1:]
    pairs = [digit * 2 for digit in digits] if len(digits) == 3 else [digits[i : i + 2] for i in (0, 2, 4)]
    channels = [int(pair, 16) / 255 for pair in pairs]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
