"""What is not documented fails: settings, commands, attributes of the tag, calls, page events, addresses."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
import typer.main

from collector.run.cli import cli
from collector.settings import described
from collector.testing import kit
from collector.web.api.openapi import Endpoint
from collector.web.api.rest import PREFIX
from collector.web.api.routes import ALL
from collector.web.api.routes import described as described_api
from tests.conftest import ROOT, tevreden

README = (ROOT / "README.md").read_text("utf-8")
OPERATOR = (ROOT / "docs" / "operator.md").read_text("utf-8")
DEVELOPER = (ROOT / "docs" / "developer.md").read_text("utf-8")
SITE_OWNER = (ROOT / "docs" / "site-owner.md").read_text("utf-8")
LOADER = (ROOT / "widget" / "src" / "loader.ts").read_text("utf-8")
FROZEN = (ROOT / "widget" / "src" / "frozen.ts").read_text("utf-8")
CALLS = (ROOT / "widget" / "src" / "calls.ts").read_text("utf-8")
UI = (ROOT / "widget" / "src" / "record.ts").read_text("utf-8")


@pytest.fixture(scope="module")
def help_of_serve(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tevreden("serve", "--help", folder=tmp_path_factory.mktemp("help")).stdout


@pytest.mark.parametrize("setting", [name for name, _, _ in described()])
def test_setting_is_in_the_readme_the_operators_page_and_the_help(setting: str, help_of_serve: str) -> None:
    assert f"`{setting}`" in README
    assert re.search(rf"^\| `{setting}` \| [^|]+ \| \S[^|]* \|$", OPERATOR, re.MULTILINE), (
        "with its default and what it does"
    )
    assert setting in help_of_serve


def commands() -> list[str]:
    root = typer.main.get_command(cli)
    found = []
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found += [f"{name} {one}" for one in inner] if inner else [name]
    return found


@pytest.mark.parametrize("command", commands())
def test_command_is_on_the_operators_page(command: str) -> None:
    assert f"| `tevreden {command}" in OPERATOR


def test_calls_of_the_page_are_on_the_developers_page() -> None:
    body = CALLS[CALLS.index("const callsOn =") : CALLS.index("export const apiOf")]
    calls = set(re.findall(r"^  (\w+)(?:\(|:|,)", body, re.MULTILINE))
    assert {"event", "show", "dismiss", "identify", "consent", "reset", "on", "explain"} == calls
    for call in calls:
        assert f"| `{call}(" in DEVELOPER


def test_attributes_of_the_tag_are_on_the_developers_page() -> None:
    attributes = set(re.findall(r'said\("(\w+)"\)|dataset\.(\w+)', LOADER + FROZEN))
    names = {name for pair in attributes for name in pair if name}
    assert names == {"consent", "lang", "nonce", "site"}
    for name in names:
        assert f"| `data-{name}=" in DEVELOPER


def test_events_of_the_page_are_on_the_developers_page() -> None:
    events = set(re.findall(r'tell\("(\w+)"', UI))
    assert events == {"shown", "answered", "dismissed"}
    for event in events:
        assert f"`tevreden:{event}`" in DEVELOPER


def test_reasons_why_a_survey_does_not_show_are_on_the_site_owners_page() -> None:
    reasons = {reason for kind in (kit.Rule, kit.Reason) for reason in _words(kind)}
    assert {"page", "waiting", "turn"} <= reasons
    for reason in reasons:
        assert re.search(rf"^\| [^|]*`{reason}`[^|]* \|", SITE_OWNER, re.MULTILINE), reason


def _words(kind: object) -> set[str]:
    return {word for one in get_args(kind) for word in (_words(one) or {str(one)})}


PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_links_of_the_documentation_lead_somewhere(file: Path) -> None:
    text = file.read_text("utf-8")
    links = re.findall(r"\]\(((?!https?:)[^)\s]+)\)", text)
    assert len(links) == len(re.findall(r"\]\((?!https?:)", text))
    for link in links:
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}, link


def test_readme_is_two_screens_and_leads_to_every_page() -> None:
    assert len(README.splitlines()) <= 100
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in README


@pytest.mark.parametrize("endpoint", ALL, ids=lambda one: f"{one.method} {one.path}")
def test_call_of_the_rest_interface_says_what_it_does(endpoint: Endpoint) -> None:
    assert endpoint.summary
    assert [query.name for query in endpoint.query if not query.description] == []
    assert f"<h3><code>{endpoint.method} {PREFIX}{endpoint.path}</code></h3>" in reference()


@cache
def reference() -> str:
    """The page that people read."""
    body: bytes = described_api("https://surveys.example")["/api"].answer(b"", b"")[1]
    return body.decode()


def test_what_make_does_is_said_at_its_top_and_to_contributors() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    (targets,) = re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    said = set(re.findall(r"^# make ([\w-]+) ", text, re.MULTILINE))
    assert set(targets.split()) - {"browser", "clean"} == said
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert (
        {"quick", "fix", "check", "test", "stress", "build"}
        <= set(re.findall(r"`make (\w+)", contributing))
        <= said | {"lock"}
    )


def test_contributors_find_every_package() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    packages = {path.parent.name for path in (ROOT / "collector").glob("*/__init__.py")}
    assert {name for name in packages if f"`{name}/" not in contributing} == set()
    named = re.findall(r"`((?:collector/|widget/|tests/)[\w./-]+)`", contributing)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_lock_files_hold_no_address() -> None:
    folders = ("widget", "tests/benchmarks/widget", "examples/react", "examples/vue")
    packages = [ROOT / folder / "package-lock.json" for folder in folders]
    for file in (*(ROOT / "requirements").glob("*.txt"), *packages):
        text = file.read_text("utf-8").replace('"resolved": "../../widget"', "")  # a folder of this repository
        assert "resolved" not in text, file
        assert "://" not in text, file
