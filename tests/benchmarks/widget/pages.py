"""The pages: ours, and those that carry what others publish, all on the same plain page."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.widget.hosting import Answer, Host
from tests.conftest import Site
from tests.documents import CONTRACT_EXAMPLE

FOLDER = Path(__file__).parent
PACKAGES = FOLDER / "node_modules"
ANALYTICS, RIVAL, OURS, OURS_SHOWN = "Plausible", "PostHog", "none", "shown"
"""The pages that the wanted figures are about, as keys."""
QUESTION = "How satisfied are you with your order?"
PLAIN = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A shop</title>
<link rel="icon" href="data:,">
{tags}
</head>
<body>
<h1>Thank you for your order</h1>
<p>It leaves our app tomorrow.</p>
</body>
</html>
"""
JSON, SCRIPT, STYLE = "application/json", "text/javascript; charset=utf-8", "text/css; charset=utf-8"


@dataclass(frozen=True)
class Page:
    """One line of the table."""

    name: str
    address: str
    works: str
    """An expression of the page's own script that tells whether it is at work."""
    shows: str = ""
    """A CSS selector of what has to be on the screen; nothing, if nothing has to."""
    requests: int = 0
    """That it makes at least until it is at work, apart from itself."""


def make(host: Host, name: str, tags: str, works: str, shows: str = "", requests: int = 0) -> Page:
    """A plain page with these tags, served."""
    path = "/" + re.sub(r"\W+", "-", name)
    host.answers[path] = Answer("text/html; charset=utf-8", PLAIN.format(tags=tags))
    return Page(name, host.page_origin + path, works, shows, requests)


def empty(host: Host) -> Page:
    return make(host, "an empty page", "", "true")


def ours(host: Host, other: Site, matching: Site) -> dict[str, Page]:
    """One survey in one language: for another page on the one site, shown at once on the other."""
    document = {key: value for key, value in CONTRACT_EXAMPLE.items() if key not in ("translations", "where", "when")}
    other.publish(**document, where=CONTRACT_EXAMPLE["where"])
    matching.publish(**document)
    works = "!Array.isArray(tevreden)"
    return {
        OURS: make(host, "Tevreden, no survey matches", other.tag, works),
        OURS_SHOWN: make(host, "Tevreden, survey shown", matching.tag, works, "#question", requests=3),
    }


def plausible(host: Host) -> dict[str, Page]:
    """Analytics alone: what stands on many pages, and does about as little as a script can."""
    _add_bundle(host, "plausible")
    host.answers["/api/event"] = Answer("text/plain", "ok")
    tag = f'<script type="module" async src="{host.origin}/plausible.js"></script>'
    name = f"Plausible {_version('@plausible-analytics/tracker')}, analytics alone"
    return {ANALYTICS: make(host, name, tag, "plausible.l")}


def sentry(host: Host) -> dict[str, Page]:
    _add_bundle(host, "sentry")
    host.answers["/api/1/envelope/"] = Answer(JSON, "{}")
    tag = f'<script type="module" async src="{host.origin}/sentry.js"></script>'
    name = f"Sentry feedback {_version('@sentry/browser')}, form open"
    return {"Sentry": make(host, name, tag, "!!__SENTRY__", "form textarea")}


def posthog(host: Host) -> dict[str, Page]:
    """Its usual tag; the answers are those of a project with one survey and everything else off, or with no survey."""
    version = _version("posthog-js")
    _add_file(host, "/static/array.js", "posthog-js/dist/array.js", SCRIPT)
    _add_file(host, f"/static/{version}/surveys.js", "posthog-js/dist/surveys.js", SCRIPT)
    answers = {"/e/": {"status": "Ok"}, "/flags/": {"flags": {}}, "/api/surveys/": {"surveys": [POSTHOG_SURVEY]}}
    host.answers |= {path: Answer(JSON, json.dumps(answer)) for path, answer in answers.items()}
    pages = {}
    for key, token, on in (("PostHog off", "without", False), (RIVAL, "with", True)):
        config = json.dumps({"config": {**POSTHOG_CONFIG, "surveys": on}, "siteApps": []})
        script = f"(window._POSTHOG_REMOTE_CONFIG ||= {{}}).{token} = {config}"
        host.answers[f"/array/{token}/config.js"] = Answer(SCRIPT, script)
        options = json.dumps({"api_host": host.origin, "ui_host": host.origin, "disable_surveys": not on})
        tags = f"""<script>posthog = Object.assign([], {{_i: [["{token}", {options}, "posthog"]], __SV: 1}})</script>
        <script async src="{host.origin}/static/array.js"></script>"""
        name = f"PostHog {version}, {'survey shown' if on else 'surveys off'}"
        pages[key] = make(host, name, tags, "posthog.__loaded", ".survey-form" if on else "")
    return pages


def surveyjs(host: Host) -> dict[str, Page]:
    tags = ""
    for package, file in (("survey-core", "survey.core.min.js"), ("survey-js-ui", "survey-js-ui.min.js")):
        _add_file(host, f"/{file}", f"{package}/{file}", SCRIPT)
        tags += f'<script defer src="{host.origin}/{file}"></script>\n'
    _add_file(host, "/survey.css", "survey-core/survey-core.fontless.min.css", STYLE)
    tags += f'<link rel="stylesheet" href="{host.origin}/survey.css">\n'
    question = {"type": "rating", "name": "score", "title": QUESTION, "rateType": "smileys", "rateMax": 5}
    model = f"new Survey.Model({json.dumps({'elements': [question]})})"
    where = 'document.body.appendChild(document.createElement("div"))'
    tags += f'<script type="module">SurveyUI.renderPopupSurvey({model}, {where}, {{isExpanded: true}})</script>'
    name = f"SurveyJS {_version('survey-core')}, pop-up shown"
    return {"SurveyJS": make(host, name, tags, "!!Survey.Model", ".sv_window .sd-rating")}


PEERS: tuple[Callable[[Host], dict[str, Page]], ...] = (plausible, sentry, posthog, surveyjs)

POSTHOG_CONFIG: dict[str, Any] = {
    "supportedCompression": ["gzip", "gzip-js"],
    "autocapture_opt_out": False,
    "capturePerformance": False,
    "analytics": {"endpoint": "/e/"},
    "elementsChainAsString": True,
    "errorTracking": {"autocaptureExceptions": False, "suppressionRules": []},
    "logs": {"captureConsoleLogs": False},
    "autocaptureExceptions": False,
    "sessionRecording": False,
    "productTours": False,
    "toolbarParams": {},
    "toolbarVersion": "toolbar",
    "isAuthenticated": False,
    "siteApps": [],
    "hasFeatureFlags": False,
    "heatmaps": False,
    "defaultIdentifiedOnly": True,
    "captureDeadClicks": False,
    "conversations": False,
}
POSTHOG_SURVEY: dict[str, Any] = {
    "id": "0190aaaa-0000-0000-0000-000000000000",
    "name": "After checkout",
    "description": "",
    "type": "popover",
    "schedule": "always",
    "start_date": "2026-01-01T00:00:00Z",
    "end_date": None,
    "conditions": None,
    "appearance": {"position": "right", "surveyPopupDelaySeconds": 0},
    "questions": [
        {
            "id": "0190aaaa-0000-0000-0000-000000000001",
            "type": "rating",
            "question": QUESTION,
            "display": "emoji",
            "scale": 5,
            "lowerBoundLabel": "Very dissatisfied",
            "upperBoundLabel": "Very satisfied",
        },
        {
            "id": "0190aaaa-0000-0000-0000-000000000002",
            "type": "open",
            "question": "What could be better?",
            "optional": True,
        },
    ],
}


def _version(package: str) -> str:
    version: str = json.loads((FOLDER / "package.json").read_text())["dependencies"][package]
    return version


def _add_file(host: Host, path: str, file: str, media_type: str) -> None:
    """A file just as it is published, but for the note where its source map would be."""
    host.answers[path] = Answer(media_type, (PACKAGES / file).read_text("utf-8"))


def _add_bundle(host: Host, name: str) -> None:
    """What is published as modules only, in one file, as the tools of a site make it."""
    made = subprocess.run(
        [
            *(PACKAGES / ".bin" / "esbuild", FOLDER / f"{name}.js"),
            *("--bundle", "--minify", "--format=esm", "--target=es2022", f"--define:QUESTION={json.dumps(QUESTION)}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    host.answers[f"/{name}.js"] = Answer(SCRIPT, made.stdout)
