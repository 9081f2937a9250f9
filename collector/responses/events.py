"""What a browser sends: the events of `POST /w/SITE_KEY/events`, as they must look on arrival."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from collector.db.text import storable
from collector.errors import Fault, Invalid
from collector.surveys.document import faults_of

LONGEST_COMMENT = 10_000
LONGEST_PAGE = 2_048
MOST_EVENTS = 50
"""Events in one request; a browser's outbox holds no more."""

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f.]+(\.[^@\s\x00-\x1f\x7f.]+)+")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _uuid(value: object) -> object:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise PydanticCustomError("uuid", "must be a UUID in lower case, such as 0199f3c2-0000-7000-8000-000000000000")
    return value.replace("-", "")


def _email(value: str) -> str:
    value = value.strip()
    if len(value) > 254 or not _EMAIL.fullmatch(value):
        raise PydanticCustomError("email", "must be an e-mail address, such as name@example.com")
    return value


Id = Annotated[str, BeforeValidator(_uuid)]
"""Hex without dashes, as the intake works with it."""
Email = Annotated[str, AfterValidator(storable), AfterValidator(_email)]
Text = Annotated[str, AfterValidator(storable)]


class Sent(BaseModel):
    # keys that are not known are passed over: a script may be newer than the collector that it meets
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Identity(Sent):
    """Whom the page says the visitor is; a claim, unless the signature is right."""

    email: Email
    signature: Annotated[str, Field(max_length=200)] = ""


def _readable_claim(value: object) -> object:
    """A claim that cannot be read is none; it never costs an answer."""
    try:
        return Identity.model_validate(value)
    except ValidationError:
        return None


class Event(Sent):
    """What every event says: which survey it is about, and where the visitor was."""

    id: Id
    survey: Annotated[str, Field(min_length=1, max_length=16)]
    revision: Annotated[int, Field(ge=1, le=2**31 - 1)]
    page: Annotated[Text, Field(max_length=LONGEST_PAGE)] | None = None
    language: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,35}$")] | None = None
    automated: bool = False
    touch: bool = False
    secret: Annotated[str, Field(min_length=16, max_length=128)] | None = None
    """Made by the browser for this showing of the survey, and known to it alone."""
    identity: Annotated[Identity | None, BeforeValidator(_readable_claim)] = None


class Impression(Event):
    """The survey became visible."""

    type: Literal["impression"]


class Dismissal(Event):
    """It was closed without a score; ``id`` is that of the impression."""

    type: Literal["dismissal"]


class Response(Event):
    """An answer as far as it has come. A later ``state`` of the same ``id`` replaces an earlier one."""

    type: Literal["response"]
    impression: Id | None = None
    state: Annotated[int, Field(ge=1, le=2**31 - 1)]
    score: Annotated[int, Field(ge=-(2**15), le=2**15 - 1)]
    comment: Annotated[Text, Field(max_length=LONGEST_COMMENT)] | None = None
    email: Email | None = None
    complete: bool = False


AnyEvent = Annotated[Impression | Dismissal | Response, Field(discriminator="type")]


class Envelope(Sent):
    """One request: the visitor's token if the browser has one, and what happened."""

    visitor: Any = Field(None, description="A token that cannot be read is no token; it never costs an answer.")
    anonymous: bool = False
    events: Annotated[list[Any], Field(min_length=1, max_length=MOST_EVENTS)]


# the validators themselves: what is around them would cost each request a microsecond
_ENVELOPE: Callable[[object], Envelope] = TypeAdapter(Envelope).validator.validate_python
_EVENT: Callable[[object], Impression | Dismissal | Response] = TypeAdapter(AnyEvent).validator.validate_python


def read_envelope(value: object) -> Envelope:
    """Check everything around the events. Raises `Invalid`."""
    try:
        return _ENVELOPE(value)
    except ValidationError as error:
        raise Invalid("Nothing was saved.", faults=faults_of(error)) from None


def read_event(value: object, at: str) -> Impression | Dismissal | Response:
    """Check one event. Raises `Invalid` whose faults begin with ``at``."""
    try:
        return _EVENT(value)
    except ValidationError as error:
        # pydantic names the kind of event in the location; a place in the JSON has no such step
        kind = value.get("type") if isinstance(value, dict) else None
        faults = [Fault(at + fault.at.removeprefix(f"/{kind}"), fault.detail) for fault in faults_of(error)]
        raise Invalid(faults=faults) from None
