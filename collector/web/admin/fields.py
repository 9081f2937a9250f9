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

Kind = Literal["line", "paragraph", "lines", "choice", "flag", "number", "color", "picture", "placement"]
Tab = Literal["question", "follow-up", "thank-you", "appearance", "translations", "audience"]


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


GROUP_WORDS: Mapping[Group, str] = {"negative": "Negative", "neutral": "Neutral", "positive": "Positive"}
DELIVERIES = {"web": "Web", "link": "Link"}
"""How a survey reaches people."""

POSITIONS = (
    ("slide-in-right", "Slide-in, right"),
    ("slide-in-left", "Slide-in, left"),
    ("callout-right", "Call-out, right"),
    ("callout-left", "Call-out, left"),
    ("banner", "Banner, top"),
)
COLORS = ("#0b7a75", "#1d4ed8", "#7c3aed", "#be185d", "#c2410c", "#15803d", "#111827")
"""Presets that stand out on light and dark cards, dark text or light."""
FACES = (("color", "From red to green"), ("plain", "One colour"))
_LANGUAGES = tuple(sorted(((key, texts.name) for key, texts in LANGUAGES.items()), key=lambda one: one[1].casefold()))

ON_PAGES = ("delivery", "web")
"""What only surveys on the pages of a site have."""
_CALLOUTS = ("appearance/position", "callout-left", "callout-right")
CALLOUT = (
    Field(*("appearance/callout_text", "Call-out text", "line"), optional=True, standard="callout", only=_CALLOUTS),
    Field(
        *("appearance/callout_closed_text", "Call-out text after closing", "line"),
        hint="Leave it empty to keep the same text.",
        optional=True,
        only=_CALLOUTS,
    ),
)
CONSENT = Field(
    *("email_capture/consent_text", "Consent text", "paragraph"),
    hint="Shown at the field, and kept with each response that has an e-mail address.",
    optional=True,
    most=2000,
    only=("email_capture/ask", "unknown"),
)
QUESTION = Field(
    *("question", "Question", "paragraph"),
    hint="{contact.first_name|there} becomes the first name of a known contact, and “there” for everyone else.",
    most=500,
)


def _follow_up(group: Group) -> Field:
    label = GROUP_WORDS[group]
    standard = f"follow_up/{group}"
    return Field(standard, label, "paragraph", optional=True, standard=standard, none="No question", most=500)


def _thanks(group: Group) -> tuple[Field, ...]:
    at = f"thank_you/{group}"
    return (
        Field(f"{at}/heading", "Heading", "line", optional=True, standard="thank_you/heading", none="No heading"),
        Field(
            *(f"{at}/body", "Text", "paragraph"), optional=True, standard="thank_you/body", none="No text", most=2000
        ),
        Field(
            *(f"{at}/image", "Image", "picture"),
            hint="The address of an image of your own; a tick if empty.",
            none="No image",
            most=2000,
        ),
        Field(f"{at}/link", "Link", "line", hint="Where it leads, such as a review page.", optional=True, most=2000),
        Field(f"{at}/link_text", "Link text", "line", hint="The name of the host if empty.", optional=True),
    )


TABS: Mapping[Tab, tuple[Section, ...]] = {
    "question": (
        Section(
            "Question",
            (
                Field("name", "Name", "line", hint="Visitors never see it."),
                QUESTION,
                Field("language", "Language", "choice", options=_LANGUAGES),
                Field(
                    *("metric", "Metric", "choice"),
                    options=(
                        ("csat", "Satisfaction (CSAT)"),
                        ("nps", "Recommendation, 0 to 10 (NPS)"),
                        ("ces", "Ease, 1 to 7 (CES)"),
                    ),
                    fixed=True,
                ),
                Field(
                    *("scale", "Scale", "choice"),
                    options=(("5", "5 faces"), ("3", "3 faces"), ("7", "7 faces")),
                    fixed=True,
                    only=("metric", "csat"),
                ),
                Field(
                    *("delivery", "Delivery", "choice"),
                    options=(("web", "Web: on the pages of the site"), ("link", "Link: on a page of its own")),
                    fixed=True,
                ),
            ),
        ),
    ),
    "follow-up": (
        Section(
            "Follow-up question",
            tuple(_follow_up(group) for group in GROUPS),
            "Asked after the score, by its group. Left empty, it is the standard question of the language.",
        ),
        Section(
            "E-mail address",
            (
                Field(
                    *("email_capture/ask", "Ask for it", "choice"),
                    options=(("unknown", "From visitors who are not known, optional"), ("never", "Never")),
                ),
                CONSENT,
            ),
        ),
    ),
    "thank-you": tuple(Section(GROUP_WORDS[group], _thanks(group)) for group in GROUPS),
    "appearance": (
        Section(
            "On the page",
            (
                Field("appearance/position", "Placement", "placement", options=POSITIONS, only=ON_PAGES),
                *CALLOUT,
                Field(
                    *("appearance/offset", "Extra distance from the edge", "number"),
                    unit="pixels",
                    hint="For pages with a button or a bar of their own at the bottom; with a banner, at the top.",
                    only=ON_PAGES,
                ),
            ),
        ),
        Section(
            "Theme",
            (
                Field("appearance/color", "Colour", "color"),
                Field("appearance/faces", "Faces", "choice", options=FACES, only=("metric", "csat")),
                Field(
                    *("appearance/scheme", "Light or dark", "choice"),
                    options=(("auto", "As the page"), ("light", "Light"), ("dark", "Dark")),
                ),
            ),
        ),
    ),
    "audience": (
        Section(
            "Where",
            (
                Field(
                    *("where/include", "Include pages", "lines"),
                    hint="One address a line; * stands for anything, as in shop.example/order/*. Every page if empty.",
                    only=ON_PAGES,
                ),
                Field(
                    *("where/exclude", "Exclude pages", "lines"),
                    hint="These win over the included ones.",
                    only=ON_PAGES,
                ),
                Field(
                    *("where/small_screens", "Show on small screens", "flag"),
                    hint="Narrower than 768 pixels.",
                    only=ON_PAGES,
                ),
            ),
        ),
        Section(
            "When",
            (
                Field("when/delay_seconds", "Time on page", "number", unit="seconds", optional=True, only=ON_PAGES),
                Field("when/scroll_percent", "Scroll depth", "number", unit="%", optional=True, only=ON_PAGES),
                Field(
                    *("when/exit_intent", "Exit intent", "flag"),
                    hint="The mouse leaves by the top of the window.",
                    only=ON_PAGES,
                ),
                Field(
                    *("when/event", "Event", "line"),
                    hint='The name in tevreden.event("…"), which your page calls.',
                    optional=True,
                    most=100,
                    only=ON_PAGES,
                ),
                Field(
                    *("when/element", "Element in view", "line"),
                    hint="A CSS selector, such as #order-done.",
                    optional=True,
                    most=500,
                    only=ON_PAGES,
                ),
                Field(
                    *("when/match", "Match", "choice"),
                    options=(("any", "Any of these"), ("all", "All of these")),
                    only=ON_PAGES,
                ),
            ),
            "With none of these, it shows as soon as the page is there.",
        ),
        Section(
            "How often",
            (
                Field(
                    *("frequency/unanswered", "If they saw it and did not respond", "choice"),
                    options=(
                        ("after", "Show again after"),
                        ("never", "Never again"),
                        ("always", "Always, until they respond"),
                    ),
                    only=ON_PAGES,
                ),
                Field(
                    *("frequency/unanswered_days", "Show again after", "number"),
                    unit="days",
                    only=("frequency/unanswered", "after"),
                ),
                Field(
                    *("frequency/answered_days", "If they responded, ask again after", "number"),
                    unit="days",
                    hint="Never if empty.",
                    optional=True,
                    only=ON_PAGES,
                ),
                Field("frequency/sample_percent", "Sample of visitors", "number", unit="%", only=ON_PAGES),
                Field(
                    *("frequency/priority", "Priority", "number"),
                    hint="Of several surveys that could show, the highest does.",
                    only=ON_PAGES,
                ),
            ),
        ),
    ),
}
TAB_WORDS: Mapping[Tab, str] = {
    "question": "Question",
    "follow-up": "Follow-up",
    "thank-you": "Thank you",
    "appearance": "Appearance",
    "translations": "Translations",
    "audience": "Audience",
}
EDIT_TABS: Mapping[Tab, str] = {tab: words for tab, words in TAB_WORDS.items() if tab != "audience"}
"""What the page Edit is made of."""
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
    """Whether the field says anything in this document: what it hangs on holds a value for it, and is of use itself."""
    if not field.only:
        return True
    on = PLACES.get(field.only[0])
    if str(value_at(document, field.only[0])) not in field.only[1:]:
        return False
    return on is None or is_of_use(on[2], document)


def _without_pictures(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    return tuple(one for one in fields if one.kind != "picture")


def translated(language: str, document: SurveyDocument) -> tuple[Section, ...]:
    """The fields of one more language: every text that a visitor may see in this survey."""
    values = document.as_json()
    texts = tuple(replace(one, only=()) for one in (QUESTION, *CALLOUT, CONSENT) if is_of_use(one, values))
    sections = (
        Section("Question", texts),
        Section("Follow-up question", tuple(_follow_up(group) for group in GROUPS)),
        *(Section(f"Thank you, {GROUP_WORDS[group].lower()}", _without_pictures(_thanks(group))) for group in GROUPS),
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
        case "number" | "choice" | "placement" if re.fullmatch(r"-?[0-9]{1,9}", text):
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
            return "Yes" if value else "No"
        case "picture" if isinstance(value, bool):
            return "Tick" if value else field.none
        case "lines":
            return "\n".join(value)
        case "choice" | "placement":
            return dict(field.options).get(str(value), str(value))
        case "number":
            return f"{value} {field.unit}".strip()
        case _:
            return field.none if value == "" and field.none else str(value)
