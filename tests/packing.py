"""The npm package as it ships, installed as people install it but without a registry."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.conftest import ROOT

WIDGET = ROOT / "widget"
NAME = "tevreden-widget"


def node(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of Node's in a folder, without a network for npm."""
    program = shutil.which(command[0])
    assert program, "Node is not there: run make test, which sets it up"
    alone = {"npm_config_offline": "true", "npm_config_update_notifier": "false"}
    return subprocess.run(
        [program, *command[1:]],
        cwd=folder,
        env={**os.environ, **alone},
        capture_output=True,
        text=True,
        check=False,
    )


def installed(folder: Path) -> Path:
    """Pack a copy of the widget and unpack it under the ``node_modules`` of a folder; where it lies then."""
    source = folder / "source" / "widget"
    shutil.copytree(WIDGET, source, ignore=shutil.ignore_patterns("node_modules", "dist", "LICENSE"))
    (source / "node_modules").symlink_to(WIDGET / "node_modules")
    shutil.copy(ROOT / "LICENSE", source.parent)
    done = node("npm", "pack", "--pack-destination", str(folder), folder=source)
    assert done.returncode == 0, done.stdout + done.stderr
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extractall(folder / "node_modules", filter="data")
    (folder / "node_modules" / "package").rename(folder / "node_modules" / NAME)
    return folder / "node_modules" / NAME
