"""Takes events in: idempotent, many requests in one transaction, with the sums and the jobs that follow from them.

The id comes from the browser, so sending again changes nothing. One event that is wrong never costs its neighbours:
each is stored or refused by itself, and a refusal is final. Ids are hex in here, as `collector.db.verbs` wants them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from collector.access.signing import Signing
from collector.db.ids import new_hex_id
from collector.db.outbox import new_event, put_jobs
from collector.db.schema import impressions, responses
from collector.db.text import is_blank
from collector.db.verbs import Call, Steps
from collector.errors import Conflict, Fault, Invalid, Problem
from collector.responses.changes import EventType, event_body
from collector.responses.devices import Device
from collector.responses.events import AnyEvent, Dismissal, Response
from collector.responses.open_sites import OpenSite, OpenSurvey
from collector.responses.pages import page_label, stored_page
from collector.responses.rollups import Sums, add_to_rollups
from collector.responses.rows import BatchRows, Row, Stored
from collector.surveys.document import SurveyDocument
from collector.surveys.metrics import group_of, scores


@dataclass(slots=True)
class Arrived:
    """One event of a request, with the survey it is about; or why it is refused."""

    name: str
    at: str
    event: AnyEvent | None = None
    survey: OpenSurvey | None = None
    content: dict[str, Any] | None = None
    problem: Problem | None = None


@dataclass(slots=True)
class Arrival:
    """One request: who sent it, with what, and its events."""

    site: OpenSite
    visitor: str | None
    anonymous: bool
    device: Device
    events: list[Arrived]
    may_name: Callable[[], bool] = lambda: True
    """Whether whoever sent it may name one more page in the results; each call that says yes counts."""
    check_visitor: Callable[[str], None] = lambda _: None
    """Counts its events for a visitor; raises `TooManyTries`."""


@dataclass(slots=True)
class Receipt:
    """``stored`` are the ids that are on disk; ``refused`` holds the problem of each other event, by its id, or by its
    place where it has none. ``visitor`` is whoever the browser is from now on, in hex."""

    stored: list[str]
    refused: dict[str, Problem]
    visitor: str | None


def check(arrived: Arrived, site: OpenSite, signing: Signing, anonymous: bool) -> None:
    """What can be said of an event before anything is looked up: note its content, or why it is refused."""
    event, survey, at = arrived.event, arrived.survey, arrived.at
    assert event is not None
    assert survey is not None
    try:
        if survey.is_closed:
            raise Conflict("This survey is closed.", faults=[Fault(f"{at}/survey", "is closed")])
        if isinstance(event, Response):
            arrived.content = _content(event, survey.revisions[event.revision], at)
            if event.identity and not anonymous:
                claim = event.identity
                verified = signing.is_identity(site.key, site.identify_versions, claim.email, claim.signature)
                arrived.content = {"email": claim.email, "email_verified": verified, **arrived.content}
    except Problem as problem:
        arrived.problem = problem


def _content(event: Response, document: SurveyDocument, at: str) -> dict[str, Any]:
    """What of a response a later state replaces; an address that was given stays, unless another comes."""
    try:
        group = group_of(document.metric, document.points, event.score)
    except ValueError:
        scale = scores(document.metric, document.points)
        raise Invalid(faults=[Fault(f"{at}/score", f"must be a whole number from {scale[0]} to {scale[-1]}")]) from None
    content = {
        "revision": event.revision,
        "state": event.state,
        "complete": event.complete,
        "score": event.score,
        "group": group,
        "comment": None if not event.comment or is_blank(event.comment) else event.comment.strip(),
    }
    if event.email:
        if document.email_capture.ask == "never":
            raise Invalid(faults=[Fault(f"{at}/email", "was not asked for by this survey")])
        spoken = document.translations.get(event.language or "", document)
        consent = spoken.email_capture.consent_text
        content |= {"email": event.email, "email_verified": False, "consent_text": consent}
    return content


@dataclass(frozen=True)
class Taken:
    """What became of a batch: the problem itself stands for an arrival of which nothing could be stored."""

    receipts: list[Receipt | Problem]
    pages: Sequence[tuple[OpenSurvey, str]]

    def remember(self) -> None:
        """Know from now on which pages are named: once it is on disk, since a batch may fail and come again."""
        for survey, label in self.pages:
            survey.labels.add(label)


def take_in(arrivals: Sequence[Arrival], *, now: datetime, lane: int) -> Steps[Taken]:
    """Store what is right of every arrival."""
    batch = _Batch(now)
    shown, answered = _keys(arrivals)
    known = yield [Call(_impressions.find, shown), Call(_responses.find, answered)]
    batch.impressions.know(known[0])
    batch.responses.know(known[1])
    receipts = [batch.take(arrival) for arrival in arrivals]
    yield [
        # tables in the order in which `make_partitions` takes them, so that neither waits for the other
        Call(_impressions.insert, batch.impressions.new()),
        Call(_impressions.replace, batch.impressions.changed()),
        Call(_responses.insert, batch.responses.new()),
        Call(_responses.replace, batch.responses.changed()),
        Call(put_jobs, batch.jobs),
        Call(add_to_rollups, batch.sums(lane).rows()),
    ]
    return Taken(receipts, batch.pages)


def _keys(arrivals: Sequence[Arrival]) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """The impressions and the responses that must be known to decide on some arrivals."""
    shown, answered = [], []
    for arrival in arrivals:
        site = arrival.site.id
        for one in arrival.events:
            if one.problem is not None or one.event is None:
                continue
            if isinstance(one.event, Response):
                answered.append((site, one.event.id))
                if one.event.impression:
                    shown.append((site, one.event.impression))
            else:
                shown.append((site, one.event.id))
    return shown, answered


class _Batch:
    """Everything that one transaction is about to change."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.impressions = BatchRows(_impressions)
        self.responses = BatchRows(_responses)
        self.pages: list[tuple[OpenSurvey, str]] = []
        self._names: dict[str, set[str]] = {}
        self.jobs: list[tuple[Any, ...]] = []
        self._zones: dict[int, tzinfo] = {}

    def take(self, arrival: Arrival) -> Receipt | Problem:
        self._zones[arrival.site.id] = arrival.site.zone
        sender = _Sender(arrival)
        receipt = Receipt([], {}, None)
        for one in arrival.events:
            problem = one.problem
            if problem is None:
                try:
                    self._store(sender, one)
                except Problem as found:
                    problem = found
            if problem is None:
                receipt.stored.append(one.name)
            else:
                receipt.refused[one.name] = problem
        if not receipt.stored:
            return next(iter(receipt.refused.values()))
        receipt.visitor = sender.visitor
        return receipt

    def sums(self, lane: int) -> Sums:
        """How the sums change: less what was, plus what is."""
        sums = Sums(lane, self._zones)
        for rows, count in (
            (self.impressions, sums.count_impression),
            (self.responses, sums.count_response),
        ):
            for row in rows.touched():
                if row.before is not None:
                    count(row.before, -1)
                count(row.values)
        return sums

    def _store(self, sender: _Sender, one: Arrived) -> None:
        event, survey = one.event, one.survey
        assert event is not None
        assert survey is not None
        if isinstance(event, Response):
            self._store_response(sender, event, survey, one)
            return
        shown = self.impressions.get(sender.site, event.id)
        if shown is None:
            shown = self._show(sender, event, event.id, survey, self._circumstances(sender, event, survey))
        elif shown.values["survey_number"] != survey.number:
            raise Conflict(faults=[Fault(f"{one.at}/id", "is the impression of another survey")])
        elif not sender.sent(shown, event):
            raise _not_yours(one)
        else:
            sender.adopt(shown)
        if isinstance(event, Dismissal) and shown.values["dismissed_at"] is None and not shown.values["answered_at"]:
            shown.change({"dismissed_at": self.now})

    def _show(
        self, sender: _Sender, event: AnyEvent, impression: str, survey: OpenSurvey, circumstances: dict[str, Any]
    ) -> Row:
        """An impression; whatever comes of one says that it was, when its own event is still on its way."""
        values = {
            "site_id": sender.site,
            "id": impression,
            "survey_number": survey.number,
            "revision": event.revision,
            "visitor_id": sender.ensure_visitor(),
            "shown_at": self.now,
            "dismissed_at": None,
            "answered_at": None,
            "secret_hash": hash_secret(event.secret),
        }
        return self.impressions.add(values | circumstances)

    def _store_response(self, sender: _Sender, event: Response, survey: OpenSurvey, one: Arrived) -> None:
        assert one.content is not None
        earlier = self.responses.get(sender.site, event.id)
        if earlier is not None:
            if earlier.values["survey_number"] != survey.number:
                raise Conflict(faults=[Fault(f"{one.at}/id", "is the response to another survey")])
            if not sender.sent(earlier, event):
                raise _not_yours(one)
            is_news = _replace(earlier, event, one, self.now)
            sender.adopt(earlier)
            if is_news:
                self._answered(sender, event, survey, self._circumstances(sender, event, survey))
                self._tell(sender.arrival.site, survey, earlier)
            return
        circumstances = self._circumstances(sender, event, survey)
        row = self.responses.add(
            {
                "site_id": sender.site,
                "id": event.id,
                "survey_number": survey.number,
                "impression_id": self._answered(sender, event, survey, circumstances),
                "visitor_id": sender.ensure_visitor(),
                "email": None,
                "email_verified": False,
                "consent_text": None,
                "created_at": self.now,
                "updated_at": self.now,
                "secret_hash": hash_secret(event.secret),
                **one.content,
                **circumstances,
            }
        )
        self._tell(sender.arrival.site, survey, row)

    def _answered(
        self, sender: _Sender, event: Response, survey: OpenSurvey, circumstances: dict[str, Any]
    ) -> str | None:
        """Note on the impression that it was answered: whoever closed it and came back did not leave without a score.

        The impression's id; None where there is none, or where it is another browser's or another survey's.
        """
        if event.impression is None:
            return None
        shown = self.impressions.get(sender.site, event.impression)
        if shown is None:
            shown = self._show(sender, event, event.impression, survey, circumstances)
        elif shown.values["survey_number"] != survey.number or not sender.sent(shown, event):
            return None
        else:
            sender.adopt(shown)
        if shown.values["answered_at"] is None:
            shown.change({"answered_at": self.now, "dismissed_at": None})
        return event.impression

    def _tell(self, site: OpenSite, survey: OpenSurvey, row: Row) -> None:
        """One job for whoever wants to hear of an answer; nobody wants to hear of robots."""
        if not site.listeners or row.values["bot"]:
            return
        kind: EventType = "response.created" if row.before is None else "response.updated"
        body = event_body(kind, row.values, survey, now=self.now)
        self.jobs.append(new_event(site.id, row.values["id"], body, self.now))

    def _circumstances(self, sender: _Sender, event: AnyEvent, survey: OpenSurvey) -> dict[str, Any]:
        device = sender.arrival.device
        kind = "tablet" if event.touch and device.system == "Mac OS X" else device.kind  # an iPad says Mac
        document = survey.revisions[event.revision]
        page = None if sender.anonymous else stored_page(event.page, sender.arrival.site.kept_parameters)
        language = event.language
        if language != document.language and language not in document.translations:
            language = None  # it was shown in none but its own
        return {
            "page": page,
            "page_label": self._label(sender, survey, page),
            "language": language,
            "device": kind,
            "browser": device.browser,
            "system": device.system,
            "bot": device.robot or event.automated,
        }

    def _label(self, sender: _Sender, survey: OpenSurvey, page: str | None) -> str:
        """What results count the page as: by name while there is room for names in this month, else under none."""
        label = page_label(page)
        if not label or survey.names(label, self.now) or label in self._new_names(survey):
            return label
        new = self._new_names(survey)
        if survey.room_for_names - len(new) <= 0 or not sender.arrival.may_name():
            return ""
        new.add(label)
        self.pages.append((survey, label))
        return label

    def _new_names(self, survey: OpenSurvey) -> set[str]:
        return self._names.setdefault(survey.id, set())


def _not_yours(one: Arrived) -> Conflict:
    return Conflict(faults=[Fault(f"{one.at}/secret", "is not the secret of the browser that sent this id first")])


def _replace(earlier: Row, event: Response, one: Arrived, now: datetime) -> bool:
    """Put a later state in the place of an earlier one; whether it says anything new."""
    stored, content = earlier.values, one.content
    assert content is not None
    if event.state > stored["state"]:
        earlier.change({**content, "updated_at": now})
        return True
    if event.state < stored["state"] or any(stored[key] != value for key, value in content.items()):
        raise Conflict(faults=[Fault(f"{one.at}/state", f"must be above {stored['state']}, which is already stored")])
    return False


class _Sender:
    """Who sent an arrival."""

    __slots__ = ("anonymous", "arrival", "site", "visitor")

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.site = arrival.site.id
        self.visitor = arrival.visitor
        self.anonymous = arrival.anonymous

    def sent(self, stored: Row, event: AnyEvent) -> bool:
        """Whether what is stored came from this browser: an id is a name, known to whoever reads responses, and no
        right to change anything. What came without a secret is changed by its known visitor alone."""
        known = stored.values["secret_hash"]
        if known is None:
            return self.visitor is not None and stored.values["visitor_id"] == self.visitor
        given = hash_secret(event.secret)
        return given is not None and compare_digest(given, known)

    def adopt(self, stored: Row) -> None:
        """Be whoever sent this before: the reply that told this browser its id may not have reached it."""
        if self.visitor is None and not self.anonymous and stored.values["visitor_id"]:
            self.arrival.check_visitor(stored.values["visitor_id"])
            self.visitor = stored.values["visitor_id"]

    def ensure_visitor(self) -> str | None:
        """The visitor's id, made now if this browser has none; None for one who wants none."""
        if self.visitor is None and not self.anonymous:
            self.visitor = new_hex_id()
        return self.visitor


def hash_secret(secret: str | None) -> str | None:
    """What is stored of the secret of a showing: half a SHA-256, enough for 128 random bits."""
    return sha256(secret.encode(errors="surrogatepass")).hexdigest()[:32] if secret else None


_impressions = Stored(impressions, ("dismissed_at", "answered_at"))
_responses = Stored(
    responses,
    (
        *("revision", "state", "complete", "score", "group", "comment"),
        *("email", "email_verified", "consent_text", "updated_at"),
    ),
)
