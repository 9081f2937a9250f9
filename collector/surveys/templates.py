"""Ready questions for the usual moments, in every survey language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from collector.surveys.document import SurveyDocument, read_document
from collector.surveys.languages import LANGUAGES
from collector.surveys.metrics import Metric


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


def document_of(key: str, language: str, name: str) -> SurveyDocument:
    """The document that a template gives. Raises `Invalid` for an unknown language, or a name that won't do."""
    texts = LANGUAGES.get(language)
    question = texts.templates[key] if texts else "?"
    again = {"frequency": {"answered_days": 90}} if key == "nps_quarter" else {}
    return read_document(
        {"name": name, "metric": TEMPLATES[key].metric, "language": language, "question": question, **again}
    )
