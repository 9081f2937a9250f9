"""Every exception the product raises, as one tree.

::

    TevredenError
    ├── SettingsError          the process cannot start as it was asked to
    ├── BackupError            a backup cannot be made, or not be restored
    ├── CheckError             a page cannot be looked at
    ├── OutboundError          something could not be sent: `collector.channels.outbound`
    └── Problem                something a client can be told, as RFC 9457 problem+json
        ├── BadRequest         400  the request could not be read at all
        ├── Unauthorized       401  no valid token or session
        ├── Forbidden          403  the request came from another origin
        ├── NotFound           404  no such thing, or not yours to know of
        ├── MethodNotAllowed   405  the address exists, the method does not
        ├── TooSlow            408  the request took too long to arrive
        ├── Conflict           409  not possible in the state things are in
        ├── Changed            412  it is another than was read before
        ├── TooLarge           413  the body is larger than what is read
        ├── TargetTooLong      414  the address is longer than what is read
        ├── Invalid            422  understood, but wrong in the places it names
        ├── TooManyTries       429  come back later
        ├── HeadersTooLarge    431  the headers are more than what is read
        └── Unavailable        503  cannot store anything right now
            └── ProviderAway        single sign-on cannot be asked
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class TevredenError(Exception):
    """Anything that this product raises on purpose."""


class SettingsError(TevredenError):
    """A setting is missing, unknown or unsafe; the message is one line that says what to do."""


class BackupError(TevredenError):
    """A backup cannot be made or restored as it was asked; the message is one line that says what to do."""


class CheckError(TevredenError):
    """A page cannot be checked; the message is one line that says why."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in what was sent.

    ``at`` is a JSON Pointer (RFC 6901) into the body, ``""`` for the whole; ``detail`` says what would be right.
    """

    at: str
    detail: str

    def as_json(self) -> dict[str, str]:
        return {"at": self.at, "detail": self.detail}


class Problem(TevredenError):
    """An error that goes out as ``application/problem+json``.

    ``code`` is stable and becomes the problem's ``type``; ``permanent`` tells the browser's outbox that sending
    the same again can never succeed.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"
    permanent: ClassVar[bool] = False

    def __init__(
        self,
        detail: str = "",
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": f"urn:tevreden:problem:{self.code}",
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.faults:
            body["errors"] = [fault.as_json() for fault in self.faults]
        if self.permanent:
            body["permanent"] = True
        return body


class BadRequest(Problem):
    """The request could not be read at all."""

    code, status, title, permanent = "bad-request", 400, "The request could not be read", True


class Unauthorized(Problem):
    """No valid token or session came with the request."""

    code, status, title = "unauthorized", 401, "Valid token required"


class SignInNeeded(Unauthorized):
    """This page is for people with an account, and nobody is signed in; a browser is led to where they do so."""

    code, title = "sign-in-needed", "Sign in first"


class Forbidden(Problem):
    """Whoever asks may not do this, or not from there."""

    code, status, title = "forbidden", 403, "Not allowed"


class NotFound(Problem):
    """There is no such thing, or it is not the caller's to know of."""

    code, status, title, permanent = "not-found", 404, "Not found", True


class MethodNotAllowed(Problem):
    """The address exists, the method does not."""

    code, status, title, permanent = "method-not-allowed", 405, "This address does not support that method", True


class Conflict(Problem):
    """What was asked is not possible in the state things are in."""

    code, status, title, permanent = "conflict", 409, "Not possible at the moment", True


class Changed(Problem):
    """What was to be acted on is another by now than whoever asks had read."""

    code, status, title, permanent = "changed", 412, "Changed by someone else in the meantime", True


class TooSlow(Problem):
    """The request did not arrive in time."""

    code, status, title = "too-slow", 408, "The request took too long to arrive"


class TargetTooLong(Problem):
    """The address that was asked for is longer than what is read."""

    code, status, title, permanent = "target-too-long", 414, "The address is too long", True


class HeadersTooLarge(Problem):
    """The head of the request has more bytes or more headers than are read."""

    code, status, title = "headers-too-large", 431, "The headers are too large"


class TooLarge(Problem):
    """The body is larger than what is read."""

    code, status, title, permanent = "too-large", 413, "The body is too large", True


class Invalid(Problem):
    """What was sent is understood, but wrong in the places that it names."""

    code, status, title, permanent = "invalid", 422, "Some values are invalid", True


class TooManyTries(Problem):
    """Too many attempts in a short time."""

    code, status, title = "too-many-tries", 429, "Too many attempts"


class Unavailable(Problem):
    """Answers cannot be saved at the moment; the same request may succeed later."""

    code, status, title = "unavailable", 503, "Answers cannot be saved at the moment"


class ProviderAway(Unavailable):
    """The provider of single sign-on cannot be asked right now; a password is no matter of its."""

    code, title = "provider-away", "The single sign-on provider does not respond"
