"""The house: a module imports only what stands below it, at the top of the file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

RANKS: dict[str, int] = {
    "__init__": 0,
    "errors": 0,
    "schema": 0,
    "settings": 1,
    "migrations": 1,
    "db": 2,
    "signing": 1,
    "confidence": 1,
    "text": 1,
    "metrics": 2,
    "robots": 1,
    "devices": 2,
    "channels": 2,
    "sites": 3,
    "audit": 2,
    "guesses": 2,
    "known_browsers": 2,
    "accounts": 3,
    "members": 4,
    "second_step": 4,
    "resets": 4,
    "teams": 5,
    "tokens": 5,
    "invitations": 5,
    "single_sign_on": 6,
    "surveys": 3,
    "outbox": 3,
    "rollups": 3,
    "backup": 3,
    "installation": 3,
    "webhooks": 4,
    "responses": 6,
    "results": 6,
    "exports": 6,
    "worker": 7,
    "demo": 6,
    "web/__init__": 7,
    "web/limits": 7,
    "web/proxies": 7,
    "web/flow": 7,
    "web/heads": 7,
    "web/readiness": 7,
    "web/direct": 7,
    "web/protocol": 7,
    "web/measures": 7,
    "web/packed": 7,
    "web/script": 7,
    "web/live": 7,
    "web/http": 7,
    "web/auth": 7,
    "web/throttle": 7,
    "web/acts": 7,
    "web/resources": 7,
    "web/openapi": 7,
    "web/fields": 7,
    "web/figures": 7,
    "web/live_list": 7,
    "web/desk": 7,
    "web/rest": 7,
    "web/public": 8,
    "web/pages": 8,
    "web/api_sites": 8,
    "web/api_webhooks": 8,
    "web/api": 8,
    "web/admin_access": 8,
    "web/admin_account": 8,
    "web/admin_results": 8,
    "web/admin_people": 8,
    "web/admin_sign_on": 8,
    "web/admin_teams": 8,
    "web/admin_sites": 8,
    "web/admin_surveys": 8,
    "web/admin_editor": 8,
    "web/admin_review": 8,
    "app": 9,
    "check": 9,
    "framing": 9,
    "serving": 10,
    "kit": 10,
    "cli": 11,
    "pytest_plugin": 12,
    "__main__": 12,
}
ORDER_WITHIN: dict[str, tuple[str, ...]] = {
    # rooms that are folders or a floor of their own: what stands earlier knows nothing of what stands later
    "db": (
        "__init__",
        "verbs",
        "store",
        "group",
        "partitions",
        "sqlite",
        "address",
        "statements",
        "postgres",
        "opening",
    ),
    "channels": ("__init__", "outbound", "webhook"),
    "surveys": (
        *("__init__", "languages", "patterns", "tokens", "document", "templates", "lifecycle"),
        *("draft", "published", "review", "versions"),
    ),
    "responses": ("__init__", "events", "pages", "open_sites", "rows", "intake", "one_by_one", "reading", "removal"),
    "web": (
        *(
            "__init__",
            *("limits", "proxies"),
            "packed",
            "direct",
            *("flow", "heads", "protocol"),
            "measures",
            "script",
            *("live", "readiness"),
            "http",
            *("auth", "throttle", "acts"),
            "resources",
            "openapi",
            "rest",
            "fields",
            "figures",
            "live_list",
            "desk",
        ),
        *(
            "public",
            "pages",
            *("api_sites", "api_webhooks"),
            "api",
            *("admin_access", "admin_sign_on", "admin_account", "admin_people", "admin_teams", "admin_sites"),
            "admin_results",
            "admin_surveys",
            *("admin_review", "admin_editor"),
        ),
    ),
}
LONGEST = 420
"""Lines of a file that is still one room."""


def room_of(module: str) -> str | None:
    """The ranked room that a dotted module below ``collector`` belongs to."""
    parts = module.split(".")
    return next((name for name in ("/".join(parts[:2]), parts[0]) if name in RANKS), None)


def faults_in(name: str, source: str) -> list[str]:
    """What is wrong with the imports of the module ``collector.NAME``."""
    room = room_of(name)
    if room is None:
        return [f"{name} has no rank"]
    faults = []
    tree = ast.parse(source)
    for_types = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    top = {id(node) for node in (*tree.body, *(inner for block in for_types for inner in block.body))}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if id(node) not in top:
            faults.append(f"{name}:{node.lineno} imports inside a block")
        for target in _targets(node):
            other = room_of(target)
            if other is None:
                faults.append(f"{name}:{node.lineno} imports {target}, which has no rank")
            elif other == room or room.split("/")[0] == other.split("/")[0]:
                folder, order = room.split("/")[0], ORDER_WITHIN.get(room.split("/")[0], ())
                mine, its = name.rsplit(".", maxsplit=1)[-1], target.removeprefix(folder + ".").split(".")[0]
                if folder in ORDER_WITHIN and its in order and order.index(its) >= order.index(mine):
                    faults.append(f"{name}:{node.lineno} imports {target} within {folder}, up or sideways")
            elif RANKS[other] >= RANKS[room]:
                faults.append(f"{name}:{node.lineno} (rank {RANKS[room]}) imports {target} (rank {RANKS[other]})")
    return faults


def _targets(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif node.module in ("collector", "collector.web"):
        names = [f"{node.module}.{alias.name}" for alias in node.names if alias.name != "__version__"]
    else:
        names = [node.module or ""]
    return [name.removeprefix("collector.") for name in names if name.startswith("collector.")]


FILES = sorted(path for path in (ROOT / "collector").rglob("*.py") if "versions" not in path.parts)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "collector").with_suffix("").parts)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    assert faults_in(name_of(path), path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_room_is_small_enough_to_see_whole(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


def test_every_rank_is_of_a_room_that_exists() -> None:
    there = {room_of(name_of(path)) for path in FILES}
    assert there == set(RANKS)


@pytest.mark.parametrize(
    ("name", "source", "fault"),
    [
        ("metrics", "from collector.surveys.document import SurveyDocument", "rank 2"),
        ("metrics", "from collector.responses.devices import warm_up", "rank 2"),
        ("web.api", "from collector.web.visitors.routes import routes", None),
        ("web.public", "from collector.web.api.routes import routes", "up or sideways"),
        ("surveys.patterns", "from collector.surveys.lifecycle import Survey", "up or sideways"),
        ("results", "def f():\n    from collector.db.schema import sites", "inside a block"),
        ("attic", "import json", "has no rank"),
        ("app", "import collector.attic", "has no rank"),
    ],
)
def test_this_test_can_fail(name: str, source: str, fault: str | None) -> None:
    found = faults_in(name, source)
    assert any(fault in one for one in found) if fault else found == []
