"""Signed calls to a site owner's server, as Standard Webhooks has them (https://www.standardwebhooks.com)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

from collector import __version__
from collector.channels.outbound import Failed, Outbound, Refused

SECRET_PREFIX = "whsec_"  # noqa: S105  it makes a leaked secret easy to find


def sign(secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers that let a receiver know who called, and that this is no replay.

    Each of ``secrets`` is ``whsec_`` and the base64 of 24 to 64 bytes, otherwise `Refused` is raised; several sign
    while one is renewed, and the receiver needs to know any one of them. ``body`` is UTF-8.
    """
    # In UTC, because the library takes the clock's face for UTC whatever the zone.
    moment, text = at.astimezone(UTC), body.decode()
    signature = " ".join(Webhook(_key(secret)).sign(message_id, moment, text) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


async def deliver(
    outbound: Outbound, url: str, secrets: Sequence[str], message_id: str, body: bytes, *, now: datetime
) -> None:
    """Post ``body``, which is JSON, to a webhook; a 2xx answer is all that counts as delivered.

    Raises `Refused` when no other try is wanted, and `Failed` when one is, with nothing of what the receiver said: it
    may be a server inside the walls, and whoever reads of it outside of them. Each try is signed anew, under the same
    ``message_id``, by which the receiver knows what it already has.
    """
    headers = {
        "content-type": "application/json",
        "user-agent": f"Tevreden/{__version__}",
        **sign(secrets, message_id, now, body),
    }
    reply = await outbound.post(url, content=body, headers=headers)
    if 200 <= reply.status < 300:
        return
    if reply.status == 410:
        raise Refused("the receiver answered 410 Gone: it accepts no more deliveries")
    redirect = ", a redirect, which is not followed" if 300 <= reply.status < 400 else ""
    raise Failed(f"the receiver answered {reply.status}{redirect}", reply.retry_after(now))


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix(SECRET_PREFIX)
    try:
        key = b64decode(encoded, validate=True)
    except ValueError:
        key = b""
    if encoded == secret or not 24 <= len(key) <= 64:
        raise Refused(f"the webhook's secret must be {SECRET_PREFIX} and the base64 of 24 to 64 bytes")
    return key
