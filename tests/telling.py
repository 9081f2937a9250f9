"""An application whose webhooks may call this machine, and a receiver for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from starlette.testclient import TestClient

from collector.run import worker
from collector.run.app import create_app, open_services
from collector.settings import Settings
from tests.conftest import SECRET, App, add_site
from tests.receiver import OWN_NETWORK

NOBODY = "https://receiver.invalid/hook"


@contextmanager
def telling_app(folder: Path, store: tuple[str, str], patched: pytest.MonkeyPatch) -> Iterator[App]:
    """Its worker looks for jobs all the time."""
    patched.setattr(worker, "POLL_SECONDS", 0.05)
    url, token = store
    settings = Settings(database_url=url, secret=SECRET, allowed_networks=OWN_NETWORK)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_services(settings)) as open_:
        client = TestClient(create_app(open_), base_url="http://collector.test", follow_redirects=False)
        client.portal = portal
        yield App(client, folder, add_site(client, "", token))
