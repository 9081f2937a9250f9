"""The fields of the editor: each place of the survey document with what people call it, how it is filled in, and how
its value reads in words. The editor, the review and the difference to what is live are all drawn from this table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from collector.surveys.document import SurveyDocument
from collector.surveys.draft import MISSING, value_at
from collector.surveys.languages import LANGUAGES
from collector.surveys.metrics import GROUPS, Group

Kind = Literal["line", "paragraph", "lines", "choice", "flag", "number", "color", "picture"]
Tab = Literal["survey", "feedback", "thank-you", "targeting", "translations"]


@dataclass(frozen=True)
class Field:
    """``standard`` is where the language's own text stands that a text left empty falls back on; ``none`` is what the
    box says that leaves such a text out altogether. ``fixed`` ones cannot change after the first publish."""

    at: str
    label: str
    kind: Kind
    hint: str = ""
    options: tuple[tuple[str, str], ...] = ()
    unit: str = ""
    optional: bool = False
    standard: str = ""
    none: str = ""
    most: int = 200
    fixed: bool = False
    only: tuple[str, ...] = ()
    """Of use only while another place, named first, holds one of these values."""

    @property
    def id(self) -> str:
        return self.at.replace("/", "-")


@dataclass(frozen=True)
class Section:
    heading: str
    fields: tuple[Field, ...]
    hint: str = ""


GROUP_WORDS: Mapping[Group, str] = {"negative": "Unhappy", "neutral": "In between", "positive": "Happy"}

POSITIONS = (
    ("slide-in-right", "Slides in at the right"),
    ("slide-in-left", "Slides in at the left"),
    ("callout-right", "A tab at the right that opens"),
    ("callout-left", "A tab at the left that opens"),
    ("banner", "Drops down over the whole width"),
)
_LANGUAGES = tuple(sorted(((key, texts.name) for key, texts in LANGUAGES.items()), key=lambda one: one[1].casefold()))

_CALLOUTS = ("appearance/position", "callout-left", "callout-right")
CALLOUT = (
    Field(*("appearance/callout_text", "Text on the tab", "line"), optional=True, standard="callout", only=_CALLOUTS),
    Field(
        *("appearance/callout_closed_text", "Text on the tab once it was closed", "line"),
        hint="Leave it empty to keep the same text.",
        optional=True,
        only=_CALLOUTS,
    ),
)
CONSENT = Field(
    *("email_capture/consent_text", "What giving the address agrees to", "paragraph"),
    hint="Stands at the field, and is kept with each answer that comes with an address.",
    optional=True,
    most=2000,
    only=("email_capture/ask", "unknown"),
)
QUESTION = Field(
    *("question", "Question", "paragraph"),
    hint="{contact.first_name|there} says the first name of someone who is known, and “there” to all others.",
    most=500,
)


def _follow_up(group: Group) -> Field:
    label = f"{GROUP_WORDS[group]}: ask for the reason"
    standard = f"follow_up/{group}"
    return Field(standard, label, "paragraph", optional=True, standard=standard, none="Ask nothing", most=500)


def _thanks(group: Group) -> tuple[Field, ...]:
    at = f"thank_you/{group}"
    return (
        Field(f"{at}/heading", "Heading", "line", optional=True, standard="thank_you/heading", none="No heading"),
        Field(
            *(f"{at}/body", "Text", "paragraph"), optional=True, standard="thank_you/body", none="No text", most=2000
        ),
        Field(
            *(f"{at}/image", "Picture", "picture"),
            hint="The address of one of your own; left empty, it is a tick.",
            none="No picture",
            most=2000,
        ),
        Field(
            f"{at}/link", "Link", "line", hint="Where it leads on to, such as a review page.", optional=True, most=2000
        ),
        Field(f"{at}/link_text", "Text of the link", "line", hint="Left empty, it says the host.", optional=True),
    )


TABS: Mapping[Tab, tuple[Section, ...]] = {
    "survey": (
        Section(
            "Question",
            (
                Field("name", "Name", "line", hint="Visitors never see it."),
                Field("language", "Language", "choice", options=_LANGUAGES),
                QUESTION,
                Field(
                    *("metric", "What is measured", "choice"),
                    options=(
                        ("csat", "Satisfaction (CSAT)"),
                        ("nps", "Recommendation, 0 to 10 (NPS)"),
                        ("ces", "Ease, 1 to 7 (CES)"),
                    ),
                    fixed=True,
                ),
                Field(
                    *("scale", "Faces", "choice"),
                    options=(("5", "5"), ("3", "3"), ("7", "7")),
                    fixed=True,
                    only=("metric", "csat"),
                ),
                Field(
                    *("delivery", "How people get to it", "choice"),
                    options=(("web", "On the pages of the site"), ("link", "By a link to a page of its own")),
                    fixed=True,
                ),
            ),
        ),
        Section(
            "Looks",
            (
                Field("appearance/position", "Placement", "choice", options=POSITIONS),
                *CALLOUT,
                Field(
                    *("appearance/offset", "Distance from the edge", "number"),
                    unit="pixels more than usual",
                    hint="For pages that have a button or a bar of their own at the bottom; with a banner, at the top.",
                ),
                Field("appearance/color", "Colour", "color"),
                Field(
                    *("appearance/scheme", "Light or dark", "choice"),
                    options=(("auto", "As the visitor prefers"), ("light", "Light"), ("dark", "Dark")),
                ),
            ),
        ),
        Section(
            "E-mail address",
            (
                Field(
                    *("email_capture/ask", "After the score", "choice"),
                    options=(("unknown", "Ask visitors who are not known for their address"), ("never", "Never ask")),
                ),
                CONSENT,
            ),
        ),
    ),
    "feedback": (
        Section(
            "Why did you give this score?",
            tuple(_follow_up(group) for group in GROUPS),
            "The question after the score. What is left empty is asked in the standard words of the language.",
        ),
    ),
    "thank-you": tuple(Section(GROUP_WORDS[group], _thanks(group)) for group in GROUPS),
    "targeting": (
        Section(
            "Where",
            (
                Field(
                    *("where/include", "Pages that show it", "lines"),
                    hint="One address a line; * stands for anything, as in shop.example/order/*. None is every page.",
                ),
                Field("where/exclude", "Pages that never show it", "lines", hint="These win over the ones above."),
                Field("where/small_screens", "On small screens too", "flag", hint="Narrower than 768 pixels."),
            ),
        ),
        Section(
            "When",
            (
                Field("when/delay_seconds", "After so long on the page", "number", unit="seconds", optional=True),
                Field("when/scroll_percent", "After scrolling so far", "number", unit="% of the page", optional=True),
                Field("when/exit_intent", "When the mouse leaves by the top of the window", "flag"),
                Field(
                    *("when/event", "When the page reports an event", "line"),
                    hint='The name in tevreden.event("…").',
                    optional=True,
                    most=100,
                ),
                Field(
                    *("when/element", "When an element comes into view", "line"),
                    hint="A CSS selector, such as #order-done.",
                    optional=True,
                    most=500,
                ),
                Field(
                    *("when/match", "Of several of these", "choice"),
                    options=(("any", "one is enough"), ("all", "all must hold")),
                ),
            ),
            "None of these: as soon as the page is there.",
        ),
        Section(
            "How often",
            (
                Field(
                    *("frequency/unanswered", "Someone who saw it and gave no answer", "choice"),
                    options=(
                        ("after", "sees it again after a while"),
                        ("never", "never sees it again"),
                        ("always", "sees it on every page until they answer"),
                    ),
                ),
                Field(
                    *("frequency/unanswered_days", "After how long", "number"),
                    unit="days",
                    only=("frequency/unanswered", "after"),
                ),
                Field(
                    *("frequency/answered_days", "Someone who answered is asked again after", "number"),
                    unit="days",
                    hint="Left empty, never.",
                    optional=True,
                ),
                Field("frequency/sample_percent", "Ask only a share of the visitors", "number", unit="%"),
                Field(
                    *("frequency/priority", "Priority", "number"),
                    hint="Of several surveys that could show, the highest does.",
                ),
            ),
        ),
    ),
}
TAB_WORDS: Mapping[Tab, str] = {
    "survey": "Survey",
    "feedback": "Feedback",
    "thank-you": "Thank you",
    "targeting": "Targeting",
    "translations": "Translations",
}
PLACES: Mapping[str, tuple[Tab, Section, Field]] = {
    field.at: (tab, section, field)
    for tab, sections in TABS.items()
    for section in sections
    for field in section.fields
}


def called(at: str) -> str:
    """A place as it is named outside its tab."""
    tab, section, field = PLACES[at]
    return " · ".join((TAB_WORDS[tab], *((section.heading,) if tab == "thank-you" else ()), field.label))


def is_of_use(field: Field, document: Mapping[str, Any]) -> bool:
    """Whether the field says anything in this document."""
    return not field.only or str(value_at(document, field.only[0])) in field.only[1:]


def _without_pictures(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    return tuple(one for one in fields if one.kind != "picture")


def translated(language: str, document: SurveyDocument) -> tuple[Section, ...]:
    """The fields of one more language: every text that a visitor may see in this survey."""
    values = document.as_json()
    texts = tuple(replace(one, only=()) for one in (QUESTION, *CALLOUT, CONSENT) if is_of_use(one, values))
    sections = (
        Section("Survey", texts),
        Section("Feedback", tuple(_follow_up(group) for group in GROUPS)),
        *(Section(f"Thank you: {GROUP_WORDS[group].lower()}", _without_pictures(_thanks(group))) for group in GROUPS),
    )
    at = f"translations/{language}/"
    return tuple(
        replace(section, fields=tuple(replace(one, at=at + one.at) for one in section.fields)) for section in sections
    )


def sections_of(tab: Tab, document: SurveyDocument, language: str | None = None) -> tuple[Section, ...]:
    """What a tab holds; of translations, one language."""
    if tab == "translations":
        return translated(language, document) if language else ()
    return TABS[tab]


def fields_in(sections: Sequence[Section]) -> Iterator[Field]:
    for section in sections:
        yield from section.fields


def standard_text(field: Field, document: SurveyDocument) -> str:
    """What is said where this text is left empty, in the language that the field is for."""
    if not field.standard:
        return ""
    language = field.at.split("/")[1] if field.at.startswith("translations/") else document.language
    found = value_at(LANGUAGES[language].model_dump(), field.standard)
    return "" if found is MISSING else str(found)


def read_field(field: Field, form: Mapping[str, str]) -> Any:
    """What a form says of a field, as the document holds it; what can't be read stays text, and is refused there."""
    text = form.get(field.at, "").replace("\r\n", "\n").strip()
    match field.kind:
        case "flag":
            return field.at in form
        case "lines":
            return [line.strip() for line in text.split("\n") if line.strip()]
        case "number" | "choice" if re.fullmatch(r"-?[0-9]{1,9}", text):
            return int(text)
        case "picture":
            return "none:" + field.at not in form and (text or True)
        case _ if field.none and "none:" + field.at in form:
            return ""
        case _ if field.optional and not text:
            return None
        case _:
            return text


def in_words(field: Field, value: Any) -> str:
    """A value as people say it; empty for what is not set."""
    if value is None or value == [] or value is MISSING:
        return ""
    match field.kind:
        case "flag":
            return "yes" if value else "no"
        case "picture" if isinstance(value, bool):
            return "a tick" if value else field.none
        case "lines":
            return "\n".join(value)
        case "choice":
            return dict(field.options).get(str(value), str(value))
        case "number":
            return f"{value} {field.unit}".strip()
        case _:
            return field.none if value == "" and field.none else str(value)
