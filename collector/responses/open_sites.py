"""What the intake must know of a site to take an answer without asking the store each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.sites import site_by_key
from collector.db.schema import surveys, webhooks
from collector.errors import NotFound
from collector.responses.pages import MOST_NAMES
from collector.responses.rollups import names_since
from collector.surveys.document import SurveyDocument
from collector.surveys.lifecycle import DELETED, get_revision


@dataclass(slots=True)
class OpenSurvey:
    """A survey that was published once."""

    number: int
    id: str
    """In hex."""
    key: str
    name: str
    is_closed: bool
    latest: int
    revisions: dict[int, SurveyDocument] = field(default_factory=dict)
    """The documents that were asked for so far; they never change."""
    labels: set[str] = field(default_factory=set)
    """The pages that results name in the month of `named_in`."""
    named_in: tuple[int, int] = (0, 0)
    """A year and a month of it, in UTC."""

    def names(self, label: str, now: datetime) -> bool:
        """Whether the results of this month name a page; a new month begins with none."""
        if self.named_in != (now.year, now.month):
            self.named_in, self.labels = (now.year, now.month), set()
        return label in self.labels

    @property
    def room_for_names(self) -> int:
        return MOST_NAMES - len(self.labels)


@dataclass(slots=True)
class OpenSite:
    """A site with its surveys by their key."""

    id: int
    key: str
    surveys: dict[str, OpenSurvey]
    identify_versions: tuple[int, ...]
    """Of the secrets that e-mail addresses may be signed with."""
    listeners: int
    """How many webhooks hear of its answers."""
    kept_parameters: frozenset[str] = frozenset()
    """The query parameters that are stored with a page's address."""
    zone: tzinfo = UTC
    """By whose days its answers are counted."""

    def has(self, key: str, revision: int) -> bool:
        """Whether a survey had this revision when the site was loaded."""
        survey = self.surveys.get(key)
        return survey is not None and revision <= survey.latest

    def at_hand(self, key: str, revision: int) -> OpenSurvey | None:
        """A survey whose document of this revision was asked for before."""
        survey = self.surveys.get(key)
        return survey if survey is not None and revision in survey.revisions else None


async def load_open_site(connection: AsyncConnection, key: str, earlier: OpenSite | None, *, now: datetime) -> OpenSite:
    """The site as it is now; what never changes is taken over from ``earlier``. Raises `NotFound`."""
    site = await site_by_key(connection, key)
    columns = surveys.c.number, surveys.c.id, surveys.c.key, surveys.c.name, surveys.c.status, surveys.c.revision
    query = select(*columns).where(surveys.c.site_id == site.id, surveys.c.revision.is_not(None))
    found: dict[str, OpenSurvey] = {}
    unknown: dict[int, OpenSurvey] = {}
    for row in await connection.execute(query):
        survey = OpenSurvey(
            row.number, row.id.hex, row.key, row.name, row.status in ("archived", DELETED), row.revision
        )
        known = earlier.surveys.get(row.key) if earlier else None
        if known:
            survey.revisions, survey.labels, survey.named_in = known.revisions, known.labels, known.named_in
        else:
            unknown[row.number] = survey
        found[row.key] = survey
    if unknown:
        month = now.date().replace(day=1)
        for number, labels in (await names_since(connection, site.id, unknown, month, MOST_NAMES)).items():
            unknown[number].labels, unknown[number].named_in = labels, (now.year, now.month)
    listening = select(func.count()).where(webhooks.c.site_id == site.id)
    listeners = (await connection.execute(listening)).scalar_one()
    settings = site.settings
    versions = site.identify_versions(now)
    return OpenSite(site.id, key, found, versions, listeners, settings.kept_parameters, settings.zone)


async def load_revision(connection: AsyncConnection, site: OpenSite, survey: OpenSurvey, number: int) -> None:
    """Note a revision's document, if there is one of this number."""
    try:
        revision = await get_revision(connection, site.id, survey.key, number)
    except NotFound:
        return
    survey.revisions[number] = revision.document
