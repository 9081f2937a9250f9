"""The widget: its unit tests, and that what is committed is what its sources give."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from collector.web.visitors.script import RELEASED_FILES, released_files
from tests.conftest import ROOT

WIDGET = ROOT / "widget"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which(command[0])
    assert program, "Node is not there: run make test, which sets it up"
    return subprocess.run([program, *command[1:]], cwd=WIDGET, capture_output=True, text=True, check=False)


def test_unit_tests_of_the_widget_pass() -> None:
    done = run("node", "test.mjs")
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"pass (\d+)", done.stdout)
    assert passed
    assert int(passed.group(1)) >= 60


def test_committed_bundle_is_what_the_sources_give() -> None:
    done = run("node", "build.mjs", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the widget that a test may spoil."""
    shutil.copytree(WIDGET, tmp_path / "widget", ignore=shutil.ignore_patterns("node_modules"))
    (tmp_path / "widget" / "node_modules").symlink_to(WIDGET / "node_modules")
    target = tmp_path / "collector" / "web" / "static" / "widget"
    shutil.copytree(ROOT / "collector" / "web" / "static" / "widget", target)
    return tmp_path / "widget"


def build(widget: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    assert node
    return subprocess.run([node, "build.mjs", *arguments], cwd=widget, capture_output=True, text=True, check=False)


def test_build_fails_when_the_bundle_is_over_its_budget(copy: Path) -> None:
    source = copy / "src" / "flow.ts"
    noise = "".join(f"{number * 7919 % 100_003:x}" for number in range(2_000))
    source.write_text(source.read_text() + f'\nexport const noise = (globalThis as any).noise = "{noise}";\n')
    done = build(copy)
    assert done.returncode == 1
    assert "over budget: ui.js" in done.stderr


def test_release_keeps_what_earlier_releases_served(copy: Path) -> None:
    folder = copy.parent / "collector" / "web" / "static" / "widget" / "released"
    assert build(copy, "--release").returncode == 0
    first = {name: packed.answer(b"", b"")[1] for name, packed in released_files(folder).items()}
    assert sorted(name.partition("-")[0] for name in first) == ["explain", "loader", "ui"]
    source = copy / "src" / "rules.ts"
    source.write_text(source.read_text().replace("SMALL = 768", "SMALL = 767"))
    assert build(copy, "--release").returncode == 0
    both = {name: packed.answer(b"", b"")[1] for name, packed in released_files(folder).items()}
    assert len(both) == 6
    assert {name: both[name] for name in first} == first


def test_whatever_was_released_is_there_as_it_was() -> None:
    """Tags that were pinned and pages that are open ask for it, whatever has been released since."""
    folder = ROOT / "collector" / "web" / "static" / "widget" / "released"
    wanted = json.loads(list_.read_text()) if (list_ := folder / "released.json").exists() else {}
    assert set(wanted) == set(RELEASED_FILES)
    for name, digest in wanted.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


def test_check_fails_when_the_sources_have_changed(copy: Path) -> None:
    source = copy / "src" / "rules.ts"
    source.write_text(source.read_text().replace("SMALL = 768", "SMALL = 767"))
    done = build(copy, "--check")
    assert done.returncode == 1
    assert "is not what the sources give" in done.stderr


def test_wheel_knows_whether_the_widget_was_built_from_these_sources() -> None:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec
    assert spec.loader
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    manifest = json.loads((ROOT / "collector" / "web" / "static" / "widget" / "manifest.json").read_text())
    assert hook.sources_hash() == manifest["sources"]
