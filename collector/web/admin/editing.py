"""What the editor and the review work at: a survey, as someone has it before them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from collector.access.accounts import User
from collector.access.roles import site_for
from collector.access.sites import Site
from collector.errors import NotFound
from collector.surveys.draft import value_at
from collector.surveys.lifecycle import Survey, as_if_published, get_survey, has_changes
from collector.surveys.patterns import compile_pattern
from collector.web.admin.fields import TAB_WORDS, Field, Section, Tab, fields_in, sections_of
from collector.web.visitors.script import as_text, config_of, in_format


@dataclass(frozen=True)
class Editing:
    """What someone works at: a survey of a site, and which tab of it."""

    user: User
    site: Site
    survey: Survey
    tab: Tab
    language: str | None
    changed: bool

    @property
    def sections(self) -> tuple[Section, ...]:
        return sections_of(self.tab, self.survey.document, self.language)

    @property
    def fields(self) -> list[Field]:
        return list(fields_in(self.sections))

    @property
    def values(self) -> dict[str, Any]:
        """What stands in each field."""
        document = self.survey.document.as_json()
        return {field.at: value_at(document, field.at) for field in self.fields}

    @property
    def address(self) -> str:
        return f"{self.home}/edit/{self.tab}{self._query}"

    @property
    def drawing_address(self) -> str:
        return f"{self.home}/draw/{self.tab}{self._query}"

    @property
    def _query(self) -> str:
        return f"?language={self.language}" if self.language else ""

    @property
    def home(self) -> str:
        return f"/admin/{self.site.key}/{self.survey.id}"


async def editing_of(
    request: Request, connection: AsyncConnection, user: User, survey: Survey | None = None
) -> Editing:
    """Raises `NotFound` for a tab or a language that there is not, and what `site_for` does."""
    tab = request.path_params.get("tab", "question")
    if tab not in TAB_WORDS:
        raise NotFound("The editor has no such tab.")
    site, _ = await site_for(connection, user, request.path_params["site"], "editor")
    survey = survey or await get_survey(connection, site.id, request.path_params["id"])
    spoken = sorted(survey.document.translations)
    language = request.query_params.get("language", spoken[0] if spoken else None) if tab == "translations" else None
    if language is not None and language not in spoken:
        raise NotFound("This survey has no such translation.")
    return Editing(user, site, survey, tab, language, await has_changes(connection, survey))


def drawn(editing: Editing) -> dict[str, str]:
    """What the preview draws, and the patterns that an address is tried against."""
    survey, where = editing.survey, editing.survey.document.where
    patterns = {
        name: [[pattern, in_format(compile_pattern(pattern))] for pattern in lines]
        for name, lines in (("shows", where.include), ("never", where.exclude))
    }
    return {
        "config": config_of(editing.site, [as_if_published(survey)], own_page=True),
        "language": editing.language or survey.document.language,
        "position": survey.document.appearance.position,
        "patterns": as_text(patterns),
    }
