"""Ready questions for the usual moments, in every survey language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from collector.surveys.document import SurveyDocument, read_document
from collector.surveys.languages import LANGUAGES
from collector.surveys.metrics import GROUPS, Metric


@dataclass(frozen=True)
class Template:
    """A survey to begin with; ``moment`` says to the site owner when it is asked."""

    metric: Metric
    name: str
    moment: str


TEMPLATES: Mapping[str, Template] = {
    "csat_checkout": Template("csat", "After checkout", "on the page that thanks for an order"),
    "csat_support": Template("csat", "After support", "when a question was answered"),
    "csat_site": Template("csat", "The website", "anywhere on the site"),
    "nps_quarter": Template("nps", "Each quarter", "of people who know you, four times a year"),
    "nps_renewal": Template("nps", "Before a renewal", "weeks before a contract ends"),
    "ces_checkout": Template("ces", "Ordering", "on the page that thanks for an order"),
    "ces_support": Template("ces", "Getting help", "when a question was answered"),
}
"""By the key under which each language has the question."""
BLANK: Mapping[str, str] = {"blank_csat": "csat_site", "blank_nps": "nps_quarter", "blank_ces": "ces_support"}
"""To begin with a score alone: by the template that has a question to write over."""
BLANK_NAME = "Untitled survey"


def name_of(key: str) -> str:
    """What a survey from this template is called at first."""
    return BLANK_NAME if key in BLANK else TEMPLATES[key].name


def document_of(key: str, language: str, name: str) -> SurveyDocument:
    """The document that a template gives. Raises `Invalid` for an unknown language, or a name that won't do."""
    template = BLANK.get(key, key)
    texts = LANGUAGES.get(language)
    question = texts.templates[template] if texts else "?"
    again = {"frequency": {"answered_days": 90}} if key == "nps_quarter" else {}
    alone = {"follow_up": dict.fromkeys(GROUPS, ""), "email_capture": {"ask": "never"}} if key in BLANK else {}
    about = {"name": name, "metric": TEMPLATES[template].metric, "language": language, "question": question}
    return read_document({**about, **again, **alone})
