"""What the REST interface answers with, as pydantic models: they write the JSON and its schema."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidationError
from sqlalchemy import Row

from collector.access.signing import Signing
from collector.access.sites import MOST_QUIET_DAYS, Brand, Frequency, Site, SiteSettings
from collector.automations.webhooks import Webhook, message_id
from collector.db.moments import moment
from collector.errors import Invalid
from collector.results.figures import Results
from collector.surveys.document import FilledLine, SurveyDocument, faults_of
from collector.surveys.examples import exemplified
from collector.surveys.lifecycle import Status, Survey
from collector.surveys.metrics import Group
from collector.web.api.examples import OF_RESOURCES
from collector.web.visitors.addresses import own_page, tag

Moment = Annotated[
    datetime, PlainSerializer(moment, return_type=str, when_used="json"), Field(description="RFC 3339, UTC")
]


class Resource(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_serialization_defaults_required=True,
        defer_build=True,
        json_schema_extra=exemplified(OF_RESOURCES),
    )


class NewSite(Resource):
    name: FilledLine = Field(description="Name of the site; visitors see it at a survey's direct link.")


def read_new_site(value: object) -> str:
    """The name of a site that is to be made. Raises `Invalid`."""
    try:
        return NewSite.model_validate(value, strict=True).name
    except ValidationError as error:
        raise Invalid(faults=faults_of(error)) from None


class BrandResource(Resource):
    """What makes surveys look like their site's own."""

    logo: str | None = Field(None, description="Path of the logo on the collector, such as /i/SITE-HASH.png.")
    color: str | None = Field(
        None, description="A colour as #rgb or #rrggbb, for surveys whose theme colour is the default."
    )


class FrequencyResource(Resource):
    """How often one browser is shown surveys of the site, over all of them."""

    quiet_days: int | None = Field(
        None,
        json_schema_extra={"minimum": 0, "maximum": MOST_QUIET_DAYS},
        description="Days during which a browser that was shown a survey is shown no other; 0 or null for none.",
    )
    once_per_session: bool = Field(
        True, description="One survey a session, which ends after 30 minutes without a page view."
    )


class ChangedSite(Resource):
    """What is left out stays as it is."""

    consent_required: bool | None = Field(
        None, description="Shows, stores and sends nothing until the visitor has given consent, whatever the tag says."
    )
    kept_parameters: list[str] | None = Field(
        None, description="The query parameters that are stored with the address of a page; all others are dropped."
    )
    brand: BrandResource | None = Field(None, description="Replaces the whole brand.")
    time_zone: str | None = Field(
        None,
        description="Time zone for counting answers by day, such as Europe/Amsterdam. After a change, everything is"
        " counted again; recount_progress shows how far that is.",
    )
    frequency: FrequencyResource | None = Field(
        None, description="Replaces the whole frequency; what is left out returns to its default."
    )


def read_changed_site(value: object, settings: SiteSettings) -> SiteSettings:
    """The settings of a site with what a request changes of them. Raises `Invalid`."""
    try:
        given = ChangedSite.model_validate(value, strict=True)
    except ValidationError as error:
        raise Invalid(faults=faults_of(error)) from None
    consent, kept, brand, often = given.consent_required, given.kept_parameters, given.brand, given.frequency
    return SiteSettings.read(
        settings.consent_required if consent is None else consent,
        settings.kept_parameters if kept is None else kept,
        settings.brand if brand is None else Brand.read(brand.logo, brand.color),
        settings.time_zone if given.time_zone is None else given.time_zone,
        settings.frequency if often is None else Frequency.read(often.quiet_days, often.once_per_session),
    )


class SiteResource(Resource):
    key: str = Field(description="Public; part of the tag.")
    name: str
    tag: str = Field(description="What to paste into every page.")
    identify_secret: str | None = Field(
        description="What your server signs e-mail addresses with for identify(). Keep it there."
        " Null for a token that only reads."
    )
    consent_required: bool
    kept_parameters: list[str]
    brand: BrandResource
    time_zone: str = Field(description="Time zone for counting answers by day.")
    frequency: FrequencyResource
    recount_progress: float | None = Field(
        description="While answers are counted again for another time zone: the share of surveys that are"
        " done, from 0 to 1. Null when all are."
    )
    created_at: Moment

    @classmethod
    def of(cls, site: Site, signing: Signing | None, public_url: str, recount_progress: float | None) -> SiteResource:
        return cls(
            key=site.key,
            name=site.name,
            tag=tag(public_url, site.key),
            identify_secret=signing.identify_secret(site.key, site.identify_version) if signing else None,
            consent_required=site.settings.consent_required,
            kept_parameters=sorted(site.settings.kept_parameters),
            brand=BrandResource(logo=site.settings.brand.logo, color=site.settings.brand.color),
            time_zone=site.settings.time_zone,
            frequency=FrequencyResource(
                quiet_days=site.settings.frequency.quiet_days,
                once_per_session=site.settings.frequency.once_per_session,
            ),
            recount_progress=recount_progress,
            created_at=site.created_at,
        )


class SurveyResource(Resource):
    id: UUID
    key: str = Field(description="Public; for show() and the direct link.")
    site: str = Field(description="The site's key.")
    name: str
    status: Status
    revision: int | None = Field(description="The live revision; null before the first publish.")
    url: str = Field(description="The survey's direct link, open while it is published.")
    document: SurveyDocument = Field(description="The last saved draft.")
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, survey: Survey, site: Site, public_url: str) -> SurveyResource:
        return cls(
            id=survey.id,
            key=survey.key,
            site=site.key,
            name=survey.name,
            status=survey.status,
            revision=survey.revision,
            url=own_page(public_url, site, survey),
            document=survey.document,
            created_at=survey.created_at,
            updated_at=survey.updated_at,
        )


class ResponseResource(Resource):
    id: UUID
    survey: UUID
    survey_key: str
    survey_name: str
    revision: int = Field(description="The revision that was answered.")
    score: int
    group: Group
    comment: str | None
    email: str | None
    email_verified: bool = Field(description="The address came with a valid signature from the site's server.")
    consent_text: str | None = Field(description="The consent text that was shown.")
    complete: bool = Field(
        description="False while the response is partial: the score was given, the rest was not sent yet."
    )
    page: str | None
    language: str | None
    device: Literal["desktop", "tablet", "phone", "other"]
    browser: str | None
    system: str | None
    visitor: UUID | None
    bot: bool = Field(description="Sent by a robot or an automated browser; listed, never counted.")
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, row: Row[Any]) -> ResponseResource:
        values = {name: getattr(row, name) for name in cls.model_fields if name not in ("survey", "visitor")}
        return cls(survey=row.survey_id, visitor=row.visitor_id, **values)


class Headline(Resource):
    value: float | None = Field(description="Null if there are no answers.")
    unit: Literal["percent", "points", "mean"] = Field(description="csat percent, nps points, ces mean.")
    total: int = Field(description="Number of answers.")
    groups: dict[Group, int]
    positive_share: float | None = Field(description="Percentage of positive scores.")
    interval: tuple[float, float] | None = Field(
        description="The 95 % confidence interval of the value; null with too few answers."
    )


class CountsResource(Resource):
    impressions: int
    dismissals: int
    scores: int
    comments: int
    emails: int
    robots: int = Field(description="Responses flagged as sent by a robot; not included in the other numbers.")


class ScoreCount(Resource):
    score: int
    count: int


class ResultsResource(Resource):
    headline: Headline
    counts: CountsResource
    distribution: list[ScoreCount]

    @classmethod
    def of(cls, results: Results) -> ResultsResource:
        return cls.model_validate(results.as_json())


class NewWebhook(Resource):
    url: str = Field(
        max_length=2000, description="The address that new responses are posted to: public, http or https."
    )


def read_new_webhook(value: object) -> str:
    """The address of a webhook that is to be made. Raises `Invalid`."""
    try:
        return NewWebhook.model_validate(value, strict=True).url
    except ValidationError as error:
        raise Invalid(faults=faults_of(error)) from None


class WebhookResource(Resource):
    id: UUID
    url: str
    secret: str | None = Field(description="Signing secret, in the Standard Webhooks form. Null for a read-only token.")
    created_at: Moment

    @classmethod
    def of(cls, webhook: Webhook, signing: Signing | None) -> WebhookResource:
        secret = signing.webhook_secret(webhook.id, webhook.secret_version) if signing else None
        return cls(id=webhook.id, url=webhook.url, secret=secret, created_at=webhook.created_at)


class DeliveryResource(Resource):
    id: UUID
    message_id: str = Field(description="The webhook-id header; the same for every attempt.")
    status: Literal["waiting", "done", "failed"]
    attempts: int
    reason: str | None = Field(description="Why the last attempt failed.")
    next_try_at: Moment | None = Field(description="Null if there are no more attempts.")
    created_at: Moment
    finished_at: Moment | None
    payload: dict[str, Any] = Field(description="The request body.")

    @classmethod
    def of(cls, job: Row[Any]) -> DeliveryResource:
        return cls(
            id=job.id,
            message_id=message_id(job.id),
            status=job.status,
            attempts=job.attempts,
            reason=job.reason,
            next_try_at=job.due_at if job.status == "waiting" else None,
            created_at=job.created_at,
            finished_at=job.finished_at,
            payload=json.loads(job.payload),
        )


class WebhookList(Resource):
    items: list[WebhookResource]
    next: str | None


class DeliveryList(Resource):
    items: list[DeliveryResource]
    next: str | None


class SiteList(Resource):
    items: list[SiteResource]
    next: str | None


class SurveyList(Resource):
    items: list[SurveyResource]
    next: str | None


class ResponseList(Resource):
    items: list[ResponseResource]
    next: str | None
