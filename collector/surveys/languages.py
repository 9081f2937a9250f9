"""The languages that a survey can speak, and the texts that come with each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from collector.surveys.metrics import Group

FOLDER = Path(__file__).parent / "locales"


class ThankYouText(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    heading: str
    body: str


class Texts(BaseModel):
    """Everything a visitor can see that the site owner need not write, in one language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    direction: Literal["ltr", "rtl"]
    close: str
    send: str
    email: str
    email_invalid: str
    satisfaction: list[str] = Field(min_length=7, max_length=7)
    nps: list[str] = Field(min_length=2, max_length=2)
    ces: list[str] = Field(min_length=2, max_length=2)
    follow_up: dict[Group, str]
    thank_you: ThankYouText
    callout: str
    closed: str
    needs_javascript: str
    templates: dict[str, str]
    """Questions by the key of `collector.surveys.templates`."""

    def satisfaction_labels(self, scale: int) -> list[str]:
        """One label a point of a csat scale of 3, 5 or 7, unhappiest first."""
        chosen = {3: (1, 3, 5), 5: (0, 1, 3, 5, 6), 7: range(7)}[scale]
        return [self.satisfaction[index] for index in chosen]


LANGUAGES: dict[str, Texts] = {
    file.stem: Texts.model_validate(json.loads(file.read_text("utf-8"))) for file in sorted(FOLDER.glob("*.json"))
}
