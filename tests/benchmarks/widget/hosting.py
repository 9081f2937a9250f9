"""A server on this machine for what pages ask for, everything in brotli 11, with open doors for every origin."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import brotli
import uvicorn


class Answer:
    """What is served at one address, whatever the method."""

    def __init__(self, media_type: str, text: str) -> None:
        self.media_type = media_type
        self._text = text

    @cached_property
    def packed(self) -> bytes:
        packed: bytes = brotli.compress(self._text.encode(), quality=11)
        return packed


class Host:
    """Serves `answers`, by path; more can be added while it runs."""

    def __init__(self, port: int) -> None:
        self.page_origin = f"http://localhost:{port}"
        """Where pages are."""
        self.origin = f"http://127.0.0.1:{port}"
        """Where what they ask for is: another origin, as in the field."""
        self.answers: dict[str, Answer] = {}

    async def __call__(self, scope: MutableMapping[str, Any], _receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        answer = self.answers.get(scope["path"])
        headers = [
            (b"access-control-allow-origin", dict(scope["headers"]).get(b"origin", b"*")),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-allow-headers", b"content-type"),
        ]
        body, status = b"", 404
        if answer:
            body, status = answer.packed, 200
            headers += [(b"content-type", answer.media_type.encode()), (b"content-encoding", b"br")]
        if scope["method"] == "OPTIONS":
            body, status = b"", 204
        else:
            headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@contextmanager
def hosting() -> Iterator[Host]:
    """A host that runs beside, until it is no longer needed."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)  # whoever comes before it runs waits here
        host = Host(listening.getsockname()[1])
        config = uvicorn.Config(host, log_level="error", access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield host
        finally:
            server.should_exit = True
            thread.join()
