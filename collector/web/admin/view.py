"""What someone looks at: a period, and which of its responses. All of it is in the address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from urllib.parse import urlencode
from uuid import UUID

from starlette.datastructures import QueryParams
from starlette.requests import Request

from collector.access.sites import Site
from collector.db.text import is_blank, is_text
from collector.responses.reading import Filter
from collector.responses.rollups import ALWAYS, DIMENSIONS, Dimension, Span
from collector.surveys.metrics import GROUPS, Group
from collector.web.http.services import services_of

LONGEST_SEARCH = 200
LONGEST_VALUE = 300
PERIODS = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "12 months", "all": "All time"}
USUAL = "30"
CUSTOM = "custom"


@dataclass(frozen=True)
class View:
    """``values`` are what page, device, language and revision must be; ``wrong`` says what the address asked for in
    vain."""

    period: str
    span: Span
    group: Group | None = None
    score: int | None = None
    words: str | None = None
    commented: bool = False
    emailed: bool = False
    values: Mapping[Dimension, str] | None = None
    survey: UUID | None = None
    cursor: str | None = None
    wrong: Sequence[str] = ()
    zone: tzinfo = UTC
    """By whose days."""

    def wanted(self, survey_id: UUID | None) -> Filter:
        first, last = self.span.first, self.span.last
        values = dict(self.values or {})
        revision = values.get("revision", "")
        return Filter(
            survey_id=survey_id,
            bot=False,
            group=self.group,
            score=self.score,
            page=values.get("page"),
            device=values.get("device"),
            language=values.get("language"),
            revision=int(revision) if revision else None,
            commented=True if self.commented else None,
            emailed=True if self.emailed else None,
            words=self.words,
            since=datetime.combine(first, time(), self.zone) if first else None,
            until=datetime.combine(last + timedelta(days=1), time(), self.zone) if last else None,
        )

    @property
    def only(self) -> tuple[Dimension, str] | None:
        """The one value that figures are of: sums are kept by one dimension at a time."""
        return next(iter(self.values.items()), None) if self.values else None

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves out any response of the period."""
        own = (self.group, self.words, self.values, self.survey)
        return any(own) or self.commented or self.emailed or self.score is not None

    def query(self, **changed: str | None) -> str:
        """The address of the same with something changed; a change of what is shown goes back to its beginning."""
        custom = {"from": _iso(self.span.first), "to": _iso(self.span.last)} if self.period == CUSTOM else {}
        period = None if self.period in (USUAL, CUSTOM) else self.period
        said = {"period": period, **custom, **self._narrowed, **changed}
        if "period" in changed:
            said |= {"period": None if changed["period"] == USUAL else changed["period"]}
        return urlencode({name: value for name, value in said.items() if value})

    @property
    def kept(self) -> Mapping[str, str]:
        """What a form that asks for another period sends along."""
        return {name: value for name, value in self._narrowed.items() if value}

    @property
    def _narrowed(self) -> dict[str, str | None]:
        return {
            "survey": str(self.survey) if self.survey else None,
            "group": self.group,
            "score": None if self.score is None else str(self.score),
            **{str(name): value for name, value in (self.values or {}).items()},
            "words": self.words,
            "commented": "yes" if self.commented else None,
            "emailed": "yes" if self.emailed else None,
        }

    def for_figures(self) -> View:
        """What sums know of it: the period, and one value of one dimension."""
        values = dict([self.only]) if self.only else None
        return View(self.period, self.span, values=values, wrong=self.wrong, zone=self.zone)

    def alone(self, dimension: Dimension, value: str) -> View:
        """The same period with one value of one dimension."""
        return replace(self, values={dimension: value}, cursor=None)


def view_of(request: Request, site: Site) -> View:
    """What a request asks for of a site, by the site's days."""
    zone = site.settings.zone
    return read_view(request.query_params, services_of(request).clock().astimezone(zone).date(), zone)


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def read_view(query: QueryParams, today: date, zone: tzinfo = UTC) -> View:
    """What the address asks for; what it can't mean is told in ``wrong``."""
    wrong: list[str] = []
    period, span = _period(query, today, wrong)
    group = next((one for one in GROUPS if one == query.get("group")), None)
    if query.get("group") and group is None:
        wrong.append(f"“{query['group'][:40]}” is no group: {', '.join(GROUPS)} are.")
    words = query.get("words", "").strip()[:LONGEST_SEARCH]
    words = "" if is_blank(words) or not is_text(words) else words
    return View(
        period,
        span,
        group,
        _number("score", query, wrong),
        words or None,
        query.get("commented") == "yes",
        query.get("emailed") == "yes",
        _values(query, wrong) or None,
        _survey(query, wrong),
        query.get("cursor"),
        tuple(wrong),
        zone,
    )


def _period(query: QueryParams, today: date, wrong: list[str]) -> tuple[str, Span]:
    days = []
    for name in ("from", "to"):
        text = query.get(name, "")
        found = _day(text)
        if text and found is None:
            wrong.append(f"“{text[:40]}” is no date such as {today.isoformat()}.")
        days.append(found and min(found, today))
    first, last = days
    if first or last:
        if first and last and first > last:
            first, last = last, first
        return CUSTOM, Span(first, last or today)
    period = query.get("period", "") or USUAL
    if period not in PERIODS:
        if period != CUSTOM:
            wrong.append(f"“{period[:40]}” is no period: {', '.join(PERIODS)} are.")
        period = USUAL
    return period, ALWAYS if period == "all" else Span(today - timedelta(days=int(period) - 1), today)


def _number(name: str, query: QueryParams, wrong: list[str]) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 3:
        return int(text)
    wrong.append(f"“{text[:40]}” is no {name}.")
    return None


def _values(query: QueryParams, wrong: list[str]) -> dict[Dimension, str]:
    found: dict[Dimension, str] = {}
    for name in DIMENSIONS:
        text = query.get(name, "")[:LONGEST_VALUE]
        if not text or not is_text(text):
            continue
        if name == "revision" and not (text.isascii() and text.isdigit() and len(text) < 10):
            wrong.append(f"“{text[:40]}” is no revision.")
        else:
            found[name] = text
    return found


def _survey(query: QueryParams, wrong: list[str]) -> UUID | None:
    text = query.get("survey", "")
    try:
        return UUID(text) if text else None
    except ValueError:
        wrong.append("No survey has this id.")
        return None


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if date(2000, 1, 1) <= found < date(9000, 1, 1) else None
