"""What is rendered once and sent often: the heads of answers, and texts with their entity tag, compressed."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Mapping
from functools import lru_cache

import brotli
from starlette.requests import Request
from starlette.responses import Response

from collector.errors import Problem

Raw = list[tuple[bytes, bytes]]

PROBLEM_JSON = "application/problem+json"

MOST_BYTES_FOR_BEST = 48 * 1024
"""Of a body that is packed as small as can be, at about a microsecond a byte; larger ones cost a tenth of that."""
LONGEST_HEADER = 256
"""Bytes read of an Accept-Encoding: what browsers send has some thirty."""


def _brotli(body: bytes) -> bytes:
    packed: bytes = brotli.compress(body, quality=11 if len(body) <= MOST_BYTES_FOR_BEST else 5)
    return packed


_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "br": _brotli,
    "gzip": lambda body: gzip.compress(body, 9, mtime=0),
    "identity": lambda body: body,
}


class Head:
    """Status and headers of an answer, all but the length of its body."""

    __slots__ = ("_headers", "lines", "status")

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self._headers = raw(headers)
        self.lines = b"".join(b"%b: %b\r\n" % header for header in self._headers)

    def before(self, body: bytes) -> Raw:
        """The headers for a body; 204 and 304 speak of none."""
        return self._headers if self.status in (204, 304) else [*self._headers, (b"content-length", b"%d" % len(body))]


class Packed:
    """A text ready to be sent: with its entity tag and every header, compressed once for each encoding.

    Compressing takes up to a tenth of a second, so it is done by `pack`, on a thread; until then the text goes out as
    it is.
    """

    def __init__(self, text: str, media_type: str, etag: str, headers: Mapping[str, str]) -> None:
        self._body = text.encode()
        self._type = f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
        self._etag = f'"{etag}"'.encode()
        self._common = {"ETag": f'W/"{etag}"', "Vary": "Accept-Encoding", **headers}
        self._unchanged = Head(304, self._common), b""
        self._answers = {"identity": self._pack("identity")}

    def answer(self, accepted: bytes, tags: bytes) -> tuple[Head, bytes]:
        """Head and body, by the request's Accept-Encoding and If-None-Match."""
        if tags and (tags == b"*" or self._etag in _known_tags(tags)):
            return self._unchanged
        return self._answers.get(best_encoding(accepted)) or self._answers["identity"]

    @property
    def size(self) -> int:
        """Bytes in memory, with all encodings."""
        return sum(len(body) for _, body in self._answers.values())

    def pack(self) -> None:
        """Compress for every encoding; to be called on a thread."""
        for encoding in _PACKERS:
            if encoding not in self._answers:
                self._answers[encoding] = self._pack(encoding)

    def _pack(self, encoding: str) -> tuple[Head, bytes]:
        own = {"Content-Type": self._type} | ({} if encoding == "identity" else {"Content-Encoding": encoding})
        return Head(200, self._common | own), _PACKERS[encoding](self._body)

    async def response(self, request: Request) -> Response:
        """Packed first, if it was not yet: whoever asks waits for it, and nobody else does."""
        if len(self._answers) < len(_PACKERS):
            await asyncio.to_thread(self.pack)
        accepted = request.headers.get("accept-encoding", "").encode("latin-1")
        tags = request.headers.get("if-none-match", "").encode("latin-1")
        return response_of(*self.answer(accepted, tags))


def response_of(head: Head, body: bytes) -> Response:
    """The same answer by way of the framework."""
    response = Response(body, head.status)
    response.raw_headers = head.before(body)
    return response


def problem_answer(problem: Problem) -> tuple[Head, bytes]:
    """A problem as it goes out."""
    headers = {
        "Content-Type": PROBLEM_JSON,
        "Cache-Control": "no-store",
        "Access-Control-Allow-Origin": "*",
        **problem.headers,
    }
    return Head(problem.status, headers), json.dumps(problem.as_json()).encode()


def raw(headers: Mapping[str, str]) -> Raw:
    """Headers as ASGI has them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _known_tags(tags: bytes) -> list[bytes]:
    return [tag.strip().removeprefix(b"W/") for tag in tags.split(b",")]


def best_encoding(accepted: bytes) -> str:
    """The smallest encoding that an Accept-Encoding header allows."""
    return _best_encoding(accepted[:LONGEST_HEADER])


@lru_cache(maxsize=256)
def _best_encoding(accepted: bytes) -> str:
    offered: dict[str, float] = {}
    for item in accepted.decode("latin-1").lower().split(","):
        name, _, parameters = item.partition(";")
        quality = parameters.replace(" ", "").removeprefix("q=") or "1"
        offered[name.strip()] = float(quality) if quality.replace(".", "", 1).isdecimal() else 0.0
    return next((name for name in ("br", "gzip") if offered.get(name, 0.0) > 0), "identity")
