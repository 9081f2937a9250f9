"""What is wrong with a draft before it goes live: each finding with the place where it is put right. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from collector.surveys.document import SurveyDocument
from collector.surveys.languages import LANGUAGES
from collector.surveys.lifecycle import Revision, Survey
from collector.surveys.metrics import GROUPS
from collector.surveys.patterns import Compiled, compile_pattern
from collector.surveys.published import luminance

Weight = Literal["wrong", "mind"]
"""``wrong``: it shows to nobody, or can't do what it says. ``mind``: it may be meant so."""

LEAST_CONTRAST = 3.0
"""Of a button with what is around it (WCAG 2.2, 1.4.11)."""
EVERYWHERE = "It shows on every page of the site. If it asks about some of them, say which."
CARDS = {"light": "#ffffff", "dark": "#121212"}
"""What the browsers draw a card on."""


@dataclass(frozen=True)
class Finding:
    """``at`` is the place in the document, such as ``where/include``."""

    weight: Weight
    at: str
    sentence: str


def findings_of(survey: Survey, live: Sequence[Revision]) -> list[Finding]:
    """What is wrong with the draft beside the surveys that are live on its site, the worst first."""
    document = survey.document
    others = [one for one in live if one.survey_id != survey.id and one.document.delivery == "web"]
    found = [*_texts(document), *_colors(document)]
    if document.delivery == "web":
        found += [*_where(document), *_how_often(document), *_others(survey, others)]
    return sorted(found, key=lambda finding: finding.weight == "mind")


def _texts(document: SurveyDocument) -> Iterator[Finding]:
    for group in GROUPS:
        thanks = getattr(document.thank_you, group)
        if thanks.link_text and not thanks.link:
            yield Finding("wrong", f"thank_you/{group}/link", "The link has a text, but leads nowhere.")
        if thanks.heading == "" and thanks.body == "" and not thanks.image and not thanks.link:
            yield Finding("wrong", f"thank_you/{group}/body", "Nothing is left of the thank-you: the card stays empty.")
    if document.email_capture.ask == "unknown" and not document.email_capture.consent_text:
        yield Finding(
            "mind",
            "email_capture/consent_text",
            "People are asked for an e-mail address, but not told what giving it agrees to.",
        )
    for language, missing in missing_texts(document).items():
        name = LANGUAGES[language].name
        yield Finding(
            "mind",
            f"translations/{language}/{missing[0]}",
            f"{name}: {len(missing)} of the texts you wrote {'is' if len(missing) == 1 else 'are'} not translated; "
            f"the standard ones are shown instead.",
        )


_OWN_TEXTS = (
    "appearance/callout_text",
    "appearance/callout_closed_text",
    "email_capture/consent_text",
    *(f"follow_up/{group}" for group in GROUPS),
    *(f"thank_you/{group}/{text}" for group in GROUPS for text in ("heading", "body", "link_text")),
)


def missing_texts(document: SurveyDocument) -> dict[str, list[str]]:
    """By language, the places whose text was written in the survey's own language and not in this one."""
    missing: dict[str, list[str]] = {}
    for language, translation in document.translations.items():
        for at in _OWN_TEXTS:
            own, its = _text_at(document, at), _text_at(translation, at)
            if own is not None and its is None and not (at.startswith("appearance") and not _is_callout(document)):
                missing.setdefault(language, []).append(at)
    return missing


def _text_at(part: object, at: str) -> str | None:
    for step in at.split("/"):
        part = getattr(part, step)
    assert part is None or isinstance(part, str)
    return part


def _is_callout(document: SurveyDocument) -> bool:
    return document.appearance.position.startswith("callout")


def _colors(document: SurveyDocument) -> Iterator[Finding]:
    scheme = document.appearance.scheme
    for name in ("light", "dark") if scheme == "auto" else (scheme,):
        first, second = luminance(document.appearance.color), luminance(CARDS[name])
        contrast = (max(first, second) + 0.05) / (min(first, second) + 0.05)
        if contrast < LEAST_CONTRAST:
            yield Finding(
                "mind",
                "appearance/color",
                f"The colour hardly stands out on a {name} card: its contrast is {contrast:.1f} to 1, and should be "
                f"{LEAST_CONTRAST:.0f} to 1 or more.",
            )


# ---- where


def _where(document: SurveyDocument) -> Iterator[Finding]:
    if not document.where.include and not document.where.exclude:
        yield Finding("mind", "where/include", EVERYWHERE)
    include, exclude = document.where.include, document.where.exclude
    excludes = [(pattern, compile_pattern(pattern)) for pattern in exclude]
    swallowed = [
        (pattern, by)
        for pattern in (include or ["*"])
        for by, compiled in excludes
        if covers(compiled, compile_pattern(pattern))
    ]
    lost = {pattern for pattern, _ in swallowed}
    if lost and lost == set(include or ["*"]):
        yield Finding(
            "wrong", "where/exclude", f"It shows nowhere: “{swallowed[0][1]}” excludes every page that shows it."
        )
    else:
        for pattern in sorted(lost):
            by = next(one for known, one in swallowed if known == pattern)
            yield Finding("wrong", "where/include", f"“{pattern}” never shows it: “{by}” excludes every such page.")


def covers(wide: Compiled, narrow: Compiled) -> bool:
    """Whether every address that the narrow pattern matches is matched by the wide one. May say no where it is so."""
    return (
        all(_fits(wide.get(part), narrow.get(part)) for part in ("scheme", "port", "path", "hash"))  # type: ignore[arg-type]
        and _fits(wide.get("host"), narrow.get("host"))
        and all(
            any(_fits(name, other) and _fits(value, its) for other, its in narrow.get("query", []))
            for name, value in wide.get("query", [])
        )
    )


def _fits(wide: str | None, narrow: str | None) -> bool:
    """A star in the narrow text is matched by none but a star of the wide one."""
    if wide is None:
        return True
    return re.fullmatch(".*".join(map(re.escape, wide.split("*"))), "*" if narrow is None else narrow, re.S) is not None


# ---- how often, and beside others


def _how_often(document: SurveyDocument) -> Iterator[Finding]:
    frequency = document.frequency
    if frequency.unanswered == "always":
        yield Finding("mind", "frequency/unanswered", "Whoever closes it sees it again on the next page.")
    if frequency.sample_percent < 5:
        yield Finding(
            "mind", "frequency/sample_percent", f"Only {frequency.sample_percent} of 100 visitors are ever asked."
        )


def _others(survey: Survey, others: Sequence[Revision]) -> Iterator[Finding]:
    """Of surveys that are due at once one shows, so one that comes first wherever this is due keeps it waiting."""
    mine = survey.document
    places = [compile_pattern(pattern) for pattern in mine.where.include] or [{}]
    for other in others:
        its = other.document
        order = its.frequency.priority - mine.frequency.priority
        first = order > 0 or (order == 0 and other.survey_id < survey.id)  # ids are in order of time
        wide = [compile_pattern(pattern) for pattern in its.where.include] or [Compiled()]
        if (
            first
            and not its.where.exclude
            and (its.where.small_screens or not mine.where.small_screens)
            and its.frequency.sample_percent == 100
            and _is_no_later(its, mine)
            and all(any(covers(one, place) for one in wide) for place in places)
        ):
            always = its.frequency.unanswered == "always"
            after = "after they answered that one" if always else "after they answered or closed that one"
            yield Finding(
                "wrong" if always else "mind",
                "frequency/priority",
                f"“{its.name}” comes first wherever this one is due, so visitors see this one only {after}.",
            )


def _is_no_later(its: SurveyDocument, mine: SurveyDocument) -> bool:
    when, than = its.when, mine.when
    if when.scroll_percent or when.exit_intent or when.event or when.element:
        return when == than
    if not when.delay_seconds:
        return True
    return (
        bool(than.delay_seconds)
        and when.delay_seconds <= (than.delay_seconds or 0)
        and not (than.scroll_percent or than.exit_intent or than.event or than.element)
    )
