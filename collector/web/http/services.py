"""What handlers work with: the store, the clock, the limits. Made once, in `collector.run.app`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from starlette.requests import Request

from collector.access.oidc import SignOn
from collector.access.signing import Signing
from collector.db.store import Database
from collector.settings import Settings
from collector.web.http.limits import Limits
from collector.web.http.measures import Measures
from collector.web.http.readiness import Readiness


@dataclass(frozen=True, kw_only=True)
class Services:
    settings: Settings
    database: Database
    signing: Signing
    clock: Callable[[], datetime]
    limits: Limits
    measures: Measures
    readiness: Readiness
    wake_worker: Callable[[], None]
    sign_on: SignOn | None = None
    """The provider that people may sign in with, where there is one."""
    examples: Path | None = None
    """The folder of the example pages, when they are served."""


def services_of(request: Request) -> Services:
    return cast("Services", request.app.state.services)
