"""The survey document: what is refused, where, and what would be right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.access.sites import Brand
from collector.errors import Invalid
from collector.run.demo import DOCUMENTS
from collector.surveys.document import json_schema, read_document
from collector.surveys.examples import OF_PARTS, SURVEY
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import Revision
from collector.surveys.published import published_survey, readable_on
from tests.documents import CONTRACT_EXAMPLE, SMALLEST

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"colour": 1}, "/colour", "unknown key"),
    ({"appearance": {"colour": "#fff"}}, "/appearance/colour", "unknown key"),
    ({"appearance": {"color": "red"}}, "/appearance/color", "must be a colour"),
    ({"appearance": {"color": "#12345"}}, "/appearance/color", "must be a colour"),
    ({"appearance": {"color": "#fff\n"}}, "/appearance/color", "must be a colour"),
    ({"appearance": {"position": "top"}}, "/appearance/position", "must be 'slide-in-left'"),
    ({"metric": "stars"}, "/metric", "must be 'csat', 'nps' or 'ces'"),
    ({"scale": 4}, "/scale", "a csat scale has 3 or 5 or 7 points"),
    ({"metric": "nps", "scale": 5}, "/scale", "a nps scale has 11 points"),
    ({"scale": "5"}, "/scale", "must be a whole number"),
    ({"delivery": "email"}, "/delivery", "must be 'web' or 'link'"),
    ({"language": "xx"}, "/language", "must be one of ar, da, de"),
    ({"question": ""}, "/question", "must not be empty"),
    ({"question": "   "}, "/question", "must not be empty"),
    ({"question": "x" * 501}, "/question", "at most 500"),
    ({"question": "a\x00b"}, "/question", "control characters"),
    ({"question": 5}, "/question", "must be text"),
    ({"name": None}, "/name", "must be text"),
    (
        {"where": {"include": ["/ok", "exa mple.com"]}},
        "/where/include/1",
        "cannot match any address: no address has white",
    ),
    ({"where": {"exclude": ["ftp://x"]}}, "/where/exclude/0", "http or https"),
    ({"where": {"include": "example.com"}}, "/where/include", "must be a list"),
    ({"where": {"small_screens": "yes"}}, "/where/small_screens", "must be true or false"),
    ({"where": []}, "/where", "must be an object"),
    ({"who": {"audience": "vip"}}, "/who/audience", "must be 'all'"),
    ({"when": {"delay_seconds": -1}}, "/when/delay_seconds", "greater than or equal to 0"),
    ({"when": {"delay_seconds": 1.5}}, "/when/delay_seconds", "must be a whole number"),
    ({"when": {"scroll_percent": 0}}, "/when/scroll_percent", "greater than or equal to 1"),
    ({"when": {"scroll_percent": 101}}, "/when/scroll_percent", "less than or equal to 100"),
    ({"when": {"match": "some"}}, "/when/match", "must be 'any' or 'all'"),
    ({"frequency": {"unanswered_days": 0}}, "/frequency/unanswered_days", "greater than or equal to 1"),
    ({"frequency": {"sample_percent": 0}}, "/frequency/sample_percent", "greater than or equal to 1"),
    ({"thank_you": {"negative": {"link": "javascript:alert(1)"}}}, "/thank_you/negative/link", "begins with https"),
    ({"thank_you": {"negative": {"link": " https://x"}}}, "/thank_you/negative/link", "begins with https"),
    ({"thank_you": {"positive": {"link": "data:text/html,x"}}}, "/thank_you/positive/link", "begins with https"),
    ({"thank_you": {"positive": {"link": "//evil.example"}}}, "/thank_you/positive/link", "begins with https"),
    ({"translations": {"xx": {"question": "Q"}}}, "/translations/xx", "must be one of"),
    ({"translations": {"nl": {}}}, "/translations/nl/question", "is required"),
    ({"translations": {"en": {"question": "Q"}}}, "/translations/en", "own language"),
]


@pytest.mark.parametrize(("change", "at", "detail"), WRONG, ids=[f"{at} {detail[:20]}" for _, at, detail in WRONG])
def test_what_is_wrong_is_named_with_its_place(change: dict[str, Any], at: str, detail: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_document({**SMALLEST, **change})
    (fault,) = caught.value.faults
    assert fault.at == at
    assert detail in fault.detail


@pytest.mark.parametrize("value", [None, [], "x", 5, True])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(Invalid) as caught:
        read_document(value)
    assert caught.value.faults[0].at == ""
    assert caught.value.faults[0].detail == "must be an object"


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        read_document({"metric": "csat", "appearance": {"color": "x"}, "extra": 1})
    assert {fault.at for fault in caught.value.faults} == {"/name", "/question", "/appearance/color", "/extra"}


@pytest.mark.parametrize("value", [SMALLEST, CONTRACT_EXAMPLE, *DOCUMENTS], ids=lambda value: value["name"])
def test_document_reads_back_as_it_was_saved(value: dict[str, Any]) -> None:
    document = read_document(value)
    assert read_document(json.loads(json.dumps(document.as_json()))) == document


@pytest.mark.parametrize("value", [SMALLEST, CONTRACT_EXAMPLE, *DOCUMENTS], ids=lambda value: value["name"])
def test_published_schema_takes_what_the_reader_takes(value: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(value, json_schema())
    jsonschema.validate(read_document(value).as_json(), json_schema())


def test_published_schema_refuses_what_is_wrong() -> None:
    for change in ({"colour": 1}, {"metric": "stars"}, {"appearance": {"color": "red"}}, {"scale": 4}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**SMALLEST, **change}, json_schema())


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(list(CONTRACT_EXAMPLE)) | st.text(max_size=9), inner)
        ),
    )
)
def test_any_json_is_read_or_refused(value: object) -> None:
    try:
        read_document(value)
    except Invalid as error:
        assert error.faults


def published(**change: Any) -> dict[str, Any]:
    document = read_document({**SMALLEST, **change})
    return published_survey(
        Revision(
            survey_id=UUID(int=1),
            survey_key="k",
            status="published",
            number=1,
            document=document,
        ),
        Brand(),
    )


ALLOWED = {
    "key",
    "revision",
    "first",
    "points",
    "plain",
    "logo",
    "neutral",
    "position",
    "color",
    "ink",
    "scheme",
    "include",
    "exclude",
    "large",
    "delay",
    "scroll",
    "exit",
    "event",
    "element",
    "all",
    "again",
    "renew",
    "sample",
    "priority",
    "manual",
    "email",
    "language",
    "texts",
}


@pytest.mark.parametrize("value", [SMALLEST, CONTRACT_EXAMPLE, *DOCUMENTS], ids=lambda value: value["name"])
def test_only_what_the_browser_needs_is_published(value: dict[str, Any]) -> None:
    survey = published(**value)
    assert set(survey) <= ALLOWED
    assert value["name"] not in json.dumps(survey, ensure_ascii=False).replace(value["question"], "")


def test_what_is_zero_is_published_and_what_is_default_is_not() -> None:
    survey = published(when={"delay_seconds": 0}, frequency={"unanswered": "always"})
    assert survey["delay"] == 0
    assert survey["again"] == 0
    assert "again" not in published(frequency={"unanswered": "never"})
    assert published()["again"] == 30


def test_text_left_out_is_the_languages_own_and_an_empty_one_is_none() -> None:
    texts = published(language="nl", follow_up={"negative": "", "neutral": "Wat mist er?"})["texts"]["nl"]
    assert texts["follow"] == ["", "Wat mist er?", LANGUAGES["nl"].follow_up["positive"]]
    assert texts["thanks"] == [{"heading": "Bedankt!", "body": LANGUAGES["nl"].thank_you.body}]


@pytest.mark.parametrize(
    ("color", "ink"),
    [("#000", "#fff"), ("#ffffff", "#000"), ("#0b7a75", "#fff"), ("#ffe066", "#000"), ("#777", "#000")],
)
def test_text_colour_is_readable_on_the_theme(color: str, ink: str) -> None:
    assert readable_on(color) == ink


def test_every_language_is_complete() -> None:
    wanted = {"en", "nl", "de", "fr", "es", "it", "pt", "pl", "sv", "da", "ar", "he", "ja"}
    assert wanted <= set(LANGUAGES)
    english = LANGUAGES["en"]
    for code, texts in LANGUAGES.items():
        assert texts.direction == ("rtl" if code in ("ar", "he") else "ltr")
        assert set(texts.follow_up) == {"negative", "neutral", "positive"}
        strings = json.dumps(texts.model_dump(), ensure_ascii=False)
        assert '""' not in strings, f"{code} has an empty text"
        for scale in (3, 5, 7):
            labels = texts.satisfaction_labels(scale)
            assert len(set(labels)) == scale, f"{code} names two of its {scale} faces alike"
        if code != "en":
            assert texts.close != english.close, f"{code} is not translated"
            assert texts.email_invalid != english.email_invalid


def test_languages_have_no_key_that_others_lack() -> None:
    folder = Path(__file__).parent.parent / "collector" / "surveys" / "locales"
    shapes = {file.name: sorted(json.loads(file.read_text("utf-8"))) for file in folder.glob("*.json")}
    assert len({str(shape) for shape in shapes.values()}) == 1


# ---- examples


def properties_of(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each key of each part of the document, and what the schema says of it."""
    parts = {"Survey": schema, **schema["$defs"]}
    return {f"{part}.{key}": found for part, one in parts.items() for key, found in one.get("properties", {}).items()}


def test_every_key_has_an_example_that_is_valid() -> None:
    schema = json_schema()
    properties = properties_of(schema)
    assert len(properties) > 50
    for place, one in properties.items():
        assert one.get("examples"), place
        for example in one["examples"]:
            assert example is not None, place
            jsonschema.validate(example, {**one, "$defs": schema["$defs"]})


def test_example_of_a_whole_survey_is_one_that_can_be_saved() -> None:
    jsonschema.validate(SURVEY, json_schema())
    read = read_document(SURVEY).as_json()
    for key, value in SURVEY.items():
        assert key in read
        if not isinstance(value, dict):
            assert read[key] == value
    for examples in (OF_PARTS["ThankYous"], OF_PARTS["ThankYouTranslations"]):
        assert set(examples) == {"negative", "neutral", "positive"}
    for group in OF_PARTS["ThankYous"].values():
        read_document({**SURVEY, "thank_you": {"neutral": group}})
    for group in OF_PARTS["ThankYouTranslations"].values():
        read_document({**SURVEY, "translations": {"nl": {"question": "?", "thank_you": {"neutral": group}}}})
