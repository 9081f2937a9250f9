"""The survey document: the one JSON form for the editor, REST, import and export."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from collector.db.text import is_blank, is_text
from collector.errors import Fault, Invalid
from collector.surveys.examples import OF_PARTS, exemplified
from collector.surveys.languages import LANGUAGES
from collector.surveys.metrics import DEFAULT_SCALE, SCALES, Metric
from collector.surveys.patterns import LONGEST as LONGEST_PATTERN
from collector.surveys.patterns import compile_pattern
from collector.surveys.personal import fault_in

SCHEMA_ID = "urn:tevreden:schema:survey"

_STORED: dict[str, Any] = {"stored": True}
"""Told to the validators of a document that comes from the store."""

STANDARD_COLOR = "#0b7a75"
"""The theme colour of a survey for which none was chosen, on a site that has none."""
_COLOR = re.compile(r"^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})$")


def _readable(value: str, info: ValidationInfo) -> str:
    if info.context is _STORED:
        return value
    if not is_text(value, lines=True):
        raise PydanticCustomError("text", "must be text without control characters")
    if value and is_blank(value):
        raise PydanticCustomError("blank", "must contain visible text")
    return value


def _personal(value: str, info: ValidationInfo) -> str:
    if info.context is not _STORED and (fault := fault_in(value)):
        raise PydanticCustomError("token", "{fault}", {"fault": fault})
    return value


_LINK = re.compile(
    r"^[Hh][Tt][Tt][Pp][Ss]?://"
    r"(?:[^\s\x00-\x1f\x7f/?#]*@)?(?:\[[0-9A-Fa-f:.]+\]|[^\s\x00-\x1f\x7f/?#@:\[\]]+)(?::[0-9]*)?"
    r"(?:[/?#][^\s\x00-\x1f\x7f]*)?$"
)
"""A web address: what the published schema says is what the reader takes."""


def _image(value: object, info: ValidationInfo) -> bool | str:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or len(value) > 2000:
        raise PydanticCustomError("image", "must be true, false, or the web address of a picture")
    return _link(_readable(value.strip(), info), info)


def _pattern(value: str) -> str:
    try:
        compile_pattern(value)
    except ValueError as error:
        raise PydanticCustomError("url_pattern", "cannot match any address: {reason}", {"reason": str(error)}) from None
    return value.strip()


def _color(value: str) -> str:
    if not _COLOR.fullmatch(value):
        raise PydanticCustomError("color", "must be a colour as #rgb or #rrggbb, such as #0b7a75")
    return value


def _link(value: str, info: ValidationInfo) -> str:
    if info.context is not _STORED and not _LINK.fullmatch(value):
        raise PydanticCustomError("link", "must be a web address that begins with https:// or http://")
    return value


def _language(value: str) -> str:
    if value not in LANGUAGES:
        raise PydanticCustomError("language", "must be one of {known}", {"known": ", ".join(LANGUAGES)})
    return value


_READABLE = AfterValidator(_readable)
_PERSONAL = AfterValidator(_personal)
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), _READABLE]
PersonalLine = Annotated[Line, _PERSONAL]
FilledLine = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), _READABLE]
Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), _READABLE, _PERSONAL]
FollowUpQuestion = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), _READABLE, _PERSONAL]
Paragraph = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), _READABLE]
PersonalParagraph = Annotated[Paragraph, _PERSONAL]
Color = Annotated[str, AfterValidator(_color), Field(json_schema_extra={"pattern": _COLOR.pattern})]
UrlPattern = Annotated[
    str,
    StringConstraints(max_length=LONGEST_PATTERN),
    AfterValidator(_pattern),
    Field(
        json_schema_extra={
            # no other scheme, nothing empty, no blanks inside and no backslash; the reader says what else cannot match
            "pattern": r"^\s*(?:(?:[Hh][Tt][Tt][Pp][Ss]?|\*)://[^\s\x00-\x1f\x7f/\\]|(?![^\s/?#]*://)[^\s\x00-\x1f\x7f\\])"
            r"[^\s\x00-\x1f\x7f\\]*\s*$"
        }
    ),
]
Link = Annotated[
    str,
    StringConstraints(max_length=2000),
    AfterValidator(_readable),
    AfterValidator(_link),
    Field(json_schema_extra={"pattern": _LINK.pattern}),
]
Image = Annotated[
    bool | str,
    PlainValidator(_image),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string", "maxLength": 2000, "pattern": _LINK.pattern}]}),
]
Language = Annotated[str, AfterValidator(_language), Field(json_schema_extra={"enum": sorted(LANGUAGES)})]
EventName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), _READABLE]
Selector = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), _READABLE]
Days = Annotated[int, Field(ge=1, le=3650)]


class Part(BaseModel):
    """A part of the document: unknown keys are refused, and a number is never read from a string."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, defer_build=True, json_schema_extra=exemplified(OF_PARTS)
    )


class FollowUp(Part):
    """The follow-up question for each group. Left out or null: the standard question of the language. Empty: none."""

    negative: FollowUpQuestion | None = None
    neutral: FollowUpQuestion | None = None
    positive: FollowUpQuestion | None = None


class ThankYou(Part):
    """The thank-you message. Heading and body left out or null: the standard text of the language. Empty: not shown."""

    heading: PersonalLine | None = None
    body: PersonalParagraph | None = None
    image: Image = Field(True, description="true for a tick, false for no image, or the address of your own image.")
    link: Link | None = Field(None, description="A web address to link to.")
    link_text: Line | None = Field(None, description="Text of the link; its host if left out.")


class ThankYous(Part):
    negative: ThankYou = ThankYou()
    neutral: ThankYou = ThankYou()
    positive: ThankYou = ThankYou()


class EmailCapture(Part):
    ask: Literal["unknown", "never"] = Field(
        "unknown", description="Ask unknown visitors for an e-mail address after the score, or never."
    )
    consent_text: Paragraph | None = Field(
        None, description="Consent text: shown at the field and stored with the response."
    )


class Appearance(Part):
    position: Literal["slide-in-left", "slide-in-right", "callout-left", "callout-right", "banner"] = "slide-in-right"
    color: Color = Field(
        STANDARD_COLOR,
        description="The theme colour, #rgb or #rrggbb. The default follows the site's brand colour, if it has one.",
    )
    faces: Literal["color", "plain"] = Field(
        "color", description="Faces from red to green, or in the theme colour only."
    )
    scheme: Literal["light", "dark", "auto"] = Field(
        "auto",
        description="auto follows the page, and where that has no colours of its own, what its color-scheme says: the "
        "visitor's own preference only if the page follows that as well.",
    )
    offset: int = Field(
        0,
        ge=0,
        le=400,
        description="Extra distance in pixels from the bottom of the window (a banner: from the top), to stay clear of "
        "other elements there.",
    )
    callout_text: PersonalLine | None = Field(
        None, description="Text of the call-out; the standard text of the language if left out."
    )
    callout_closed_text: PersonalLine | None = Field(
        None, description="Text of the call-out after it was opened and closed."
    )


class Where(Part):
    include: list[UrlPattern] = Field(
        default_factory=list, max_length=200, description="Include pages: URL patterns. Empty means every page."
    )
    exclude: list[UrlPattern] = Field(
        default_factory=list, max_length=200, description="Exclude pages: URL patterns. They win over include."
    )
    small_screens: bool = Field(True, description="Whether it shows on screens narrower than 768 CSS pixels.")


class Who(Part):
    audience: Literal["all"] = "all"


class When(Part):
    """What is set are conditions; ``match`` says whether any or all of them must hold. None set: at once."""

    delay_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = Field(None, description="Time on page, in seconds.")
    scroll_percent: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Scroll depth in percent; a page too short to scroll counts as scrolled."
    )
    exit_intent: bool = Field(False, description="Exit intent: the mouse leaves by the top of the window.")
    event: EventName | None = Field(None, description="The name given to tevreden.event().")
    element: Selector | None = Field(None, description="A CSS selector: a matching element came into view.")
    match: Literal["any", "all"] = "any"


class Frequency(Part):
    unanswered: Literal["never", "after", "always"] = Field(
        "after",
        description="For someone who saw the survey without answering: never again, after unanswered_days, or always.",
    )
    unanswered_days: Days = Field(30, description="Days since the survey was last shown, for unanswered: after.")
    answered_days: Days | None = Field(None, description="Days until someone who answered is asked again; null: never.")
    sample_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        100, description="Percentage of visitors who are asked."
    )
    priority: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        0, description="If several surveys are due at once, the highest priority shows."
    )


class ThankYouTranslation(Part):
    heading: PersonalLine | None = None
    body: PersonalParagraph | None = None
    link: Link | None = None
    link_text: Line | None = None


class ThankYouTranslations(Part):
    negative: ThankYouTranslation = ThankYouTranslation()
    neutral: ThankYouTranslation = ThankYouTranslation()
    positive: ThankYouTranslation = ThankYouTranslation()


class EmailTranslation(Part):
    consent_text: Paragraph | None = None


class AppearanceTranslation(Part):
    callout_text: PersonalLine | None = None
    callout_closed_text: PersonalLine | None = None


class Translation(Part):
    """The site owner's texts in one more language; what is left out is that language's own, never the first one's."""

    question: Question
    follow_up: FollowUp = FollowUp()
    thank_you: ThankYouTranslations = ThankYouTranslations()
    email_capture: EmailTranslation = EmailTranslation()
    appearance: AppearanceTranslation = AppearanceTranslation()


class SurveyDocument(Part):
    """One survey: a question with its delivery, texts, targeting and follow-up."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, title="Survey")

    name: FilledLine = Field(description="Unique on the site; visitors never see it.")
    metric: Metric
    scale: int | None = Field(
        None,
        description="Points of the scale: csat 3, 5 (default) or 7; ces 7; nps 11 (0 to 10).",
        json_schema_extra={"enum": [3, 5, 7, 11, None]},
    )
    delivery: Literal["web", "link"] = Field("web", description="Fixed once the survey was first published.")
    language: Language = "en"
    question: Question
    follow_up: FollowUp = FollowUp()
    thank_you: ThankYous = ThankYous()
    email_capture: EmailCapture = EmailCapture()
    appearance: Appearance = Appearance()
    where: Where = Where()
    who: Who = Who()
    when: When = When()
    frequency: Frequency = Frequency()
    translations: dict[Language, Translation] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fitting_scale(self) -> Self:
        points = SCALES[self.metric]
        if self.scale is None:
            object.__setattr__(self, "scale", DEFAULT_SCALE[self.metric])
        elif self.scale not in points:
            raise PydanticCustomError(
                "scale",
                "a {metric} scale has {points} points",
                {"metric": self.metric, "points": " or ".join(map(str, points)), "at": "scale"},
            )
        return self

    @model_validator(mode="after")
    def _translations_differ(self) -> Self:
        if self.language in self.translations:
            raise PydanticCustomError(
                "translations",
                "{language} is the survey's own language, so it needs no translation",
                {"language": self.language, "at": f"translations/{self.language}"},
            )
        return self

    @property
    def points(self) -> int:
        """The points of the scale, the default filled in."""
        return self.scale or DEFAULT_SCALE[self.metric]

    def as_json(self) -> dict[str, Any]:
        """The document with every default filled in; a text that was left out stays null."""
        return self.model_dump(mode="json")


def read_document(value: object) -> SurveyDocument:
    """Check what was sent. Raises `Invalid` with one fault for each place that is wrong."""
    try:
        return SurveyDocument.model_validate(value)
    except ValidationError as error:
        raise Invalid("The survey was not saved.", faults=faults_of(error)) from None


def stored_document(value: object) -> SurveyDocument:
    """What the store has: a rule that came later than it, on words that nothing else relies on, waits for the next edit
    instead of keeping a whole site from being served."""
    return SurveyDocument.model_validate(value, context=_STORED)


def faults_of(error: ValidationError) -> list[Fault]:
    """What pydantic found, as JSON Pointers and sentences."""
    return [
        Fault(_pointer(item["loc"], item.get("ctx", {})), _sentence(item["type"], item["msg"], item.get("ctx", {})))
        for item in error.errors()
    ]


def _pointer(location: tuple[int | str, ...], context: Mapping[str, Any]) -> str:
    pieces = [str(piece) for piece in location if piece != "[key]"]
    if "at" in context:
        pieces += str(context["at"]).split("/")
    return "".join("/" + piece.replace("~", "~0").replace("/", "~1") for piece in pieces)


_SENTENCES = {
    "extra_forbidden": "unknown key",
    "missing": "is required",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}


def _sentence(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters"
    if kind == "too_long":
        return f"must have at most {context['max_length']} items"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    return _SENTENCES.get(kind, message.removeprefix("Input ").removeprefix("Value error, "))


def json_schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12) of the survey document."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID}
    return {**head, **SurveyDocument.model_json_schema()}
