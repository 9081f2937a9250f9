"""What the handlers of visitors' requests work with on top of `collector.web.http.services`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from collector.db.group import GroupCommit
from collector.responses.intake import Arrival, Receipt
from collector.web.http.services import Services
from collector.web.visitors.live import Live
from collector.web.visitors.sightings import Sightings


@dataclass(frozen=True, kw_only=True)
class VisitorServices(Services):
    intake: GroupCommit[Arrival, Receipt]
    live: Live
    sightings: Sightings


def visitor_services_of(request: Request) -> VisitorServices:
    return cast("VisitorServices", request.app.state.services)
