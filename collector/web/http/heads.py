"""What of a request's head the parser lets through and HTTP forbids."""

from __future__ import annotations

import re

from collector.errors import BadRequest

_HOST = re.compile(rb"(\[[0-9A-Za-z:.%~_-]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(:\d{0,5})?")
"""A host and perhaps a port, as RFC 3986 has them (3.2.2)."""


def fault_of_head(version: str, headers: list[tuple[bytes, bytes]]) -> BadRequest | None:
    """Why a head is refused: a release of HTTP that this is none of, or a Host that RFC 9112 (3.2) refuses."""
    if version not in ("1.1", "1.0"):
        return BadRequest("Only HTTP/1.1 and HTTP/1.0 are supported.")
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1:
        return BadRequest("There must be one Host header.")
    if not hosts:
        return BadRequest("There must be a Host header.") if version == "1.1" else None
    return None if _HOST.fullmatch(hosts[0]) else BadRequest("The Host header is invalid.")
