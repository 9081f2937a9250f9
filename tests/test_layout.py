"""The layout: one capability a package, one layer a package, and imports that point down, at the top of the file."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "collector"
LAYERS: Mapping[str, int] = {
    "errors": 0,
    "settings": 1,
    "db": 2,
    "channels": 2,
    "access": 3,
    "surveys": 5,
    "responses": 7,
    "results": 8,
    "automations": 9,
    "web": 10,
    "testing": 11,
    "run": 12,
}
"""Everything at the top, lowest first; the gaps are for `people` (4) and `delivery` (6)."""
WITHIN_WEB: Mapping[str, int] = {"http": 0, "visitors": 1, "api": 2, "admin": 3}
BESIDE = {"__init__.py", "__main__.py", "py.typed"}
NOT_PYTHON = {"web.static"}
LONGEST = 420
"""Lines of a file that one can still see whole."""


def modules() -> Iterator[tuple[str, Path]]:
    """The dotted name below ``collector`` and the file of each module, but for the migrations themselves."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "versions" not in path.parts and path.parent != PACKAGE:
            parts = path.relative_to(PACKAGE).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path
        elif path.parent == PACKAGE and path.name not in BESIDE:
            yield path.stem, path


MODULES = dict(modules())


def imports_in(source: str) -> Iterator[tuple[str, int, bool]]:
    """What of ``collector`` a source imports, by statement or by name: the module below it, the line, and whether that
    stands inside a block."""
    tree = ast.parse(source)
    for_types = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    top = {id(node) for node in (*tree.body, *(inner for block in for_types for inner in block.body))}
    for node in ast.walk(tree):
        for name in _names(node):
            if name.startswith("collector."):
                yield name.removeprefix("collector."), getattr(node, "lineno", 0), id(node) not in top


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [
            f"{node.module}.{alias.name}" if _is_package(node.module or "") else node.module or ""
            for alias in node.names
            if alias.name != "__version__"
        ]
    if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "import_module":
        return [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return []


def _is_package(name: str) -> bool:
    return (ROOT / name.replace(".", "/")).is_dir()


def layer_of(module: str) -> tuple[int, int] | None:
    """Of a module below ``collector``; None for what has no layer."""
    top, _, rest = module.partition(".")
    if top not in LAYERS:
        return None
    if top != "web" or not rest:
        return LAYERS[top], 0
    part = rest.split(".")[0]
    return (LAYERS["web"], WITHIN_WEB[part]) if part in WITHIN_WEB else None


def faults_in(module: str, source: str) -> list[str]:
    """What is wrong with the imports of the module ``collector.MODULE``."""
    mine = layer_of(module)
    if mine is None:
        return [f"{module} has no layer"]
    faults = []
    for target, line, inside in imports_in(source):
        its = layer_of(target)
        if inside:
            faults.append(f"{module}:{line} imports {target} inside a block")
        if its is None:
            faults.append(f"{module}:{line} imports {target}, which has no layer")
        elif _capability(target) != _capability(module) and its >= mine:
            faults.append(f"{module}:{line} imports {target}, {'sideways' if its == mine else 'up'}")
    return faults


def _capability(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "web" else parts[0]


@cache
def circle_of(sources: tuple[tuple[str, str], ...]) -> list[str]:
    """Modules that import each other in a circle; none of them can be understood before the others."""
    wanted = {name: [_module_of(target, sources) for target, _, _ in imports_in(source)] for name, source in sources}
    path: list[str] = []
    done: set[str] = set()

    def follow(name: str) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done or name not in wanted:
            return []
        path.append(name)
        for target in wanted[name]:
            if found := follow(target):
                return found
        done.add(path.pop())
        return []

    return next((found for name in wanted if (found := follow(name))), [])


def _module_of(target: str, sources: tuple[tuple[str, str], ...]) -> str:
    names = dict(sources)
    return target if target in names else target.rpartition(".")[0]


def strangers(entries: list[str]) -> list[str]:
    """What stands at the top of ``collector`` and belongs into one of the packages."""
    return sorted(set(entries) - BESIDE - {name for entry in LAYERS for name in (entry, f"{entry}.py")})


def imported_from_tests(source: str) -> list[str]:
    """Files of tests that a file takes something from: what several need belongs into a module that says what it is."""
    found = []
    for node in ast.walk(ast.parse(source)):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
        found += [name for name in modules if any(part.startswith("test_") for part in name.split(".")[:-1])]
        found += [name for name in modules if name.split(".")[-1].startswith("test_")]
    return sorted(set(found))


@pytest.mark.parametrize("file", sorted((ROOT / "tests").rglob("*.py")), ids=lambda file: file.stem)
def test_what_tests_share_is_in_no_file_of_tests(file: Path) -> None:
    assert imported_from_tests(file.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "from tests.test_admin import sign_in",
        "from tests.faults.test_same_id import send_at_once",
        "from tests import test_admin",
        "import tests.test_admin as admin",
        "from . import test_admin",
        "from .test_admin import sign_in",
        "def f():\n    from tests.test_admin import sign_in",
    ],
)
def test_file_that_takes_from_tests_is_found(source: str) -> None:
    assert len(imported_from_tests(source)) == 1
    assert imported_from_tests("from tests.signed_in import post\nimport tests.stores") == []


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    assert faults_in(module, MODULES[module].read_text("utf-8")) == []


@pytest.mark.parametrize("module", MODULES)
def test_file_is_small_enough_to_see_whole(module: str) -> None:
    assert len(MODULES[module].read_text("utf-8").splitlines()) <= LONGEST


def test_no_modules_go_in_circles() -> None:
    assert circle_of(tuple((name, path.read_text("utf-8")) for name, path in MODULES.items())) == []


def test_top_is_exactly_the_packages() -> None:
    there = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert strangers(there) == []
    assert {path.removesuffix(".py") for path in there} >= set(LAYERS)


def test_within_web_are_exactly_its_parts() -> None:
    there = {path.name for path in (PACKAGE / "web").iterdir() if path.name != "__pycache__"}
    assert there == {"__init__.py", "static", *WITHIN_WEB}


@pytest.mark.parametrize("package", sorted(path.parent for path in PACKAGE.rglob("__init__.py")), ids=lambda p: p.name)
def test_package_says_what_it_is_for(package: Path) -> None:
    said = ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8"))) or ""
    assert len(said) >= 40, f"{package.name}/__init__.py wants a paragraph: what it is for, and where to begin reading"


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("surveys.metrics", "from collector.responses.intake import take_in", "up"),
        ("surveys.metrics", "from collector.responses import intake", "up"),
        ("surveys.metrics", "from collector import results", "up"),
        ("channels.webhook", "from collector.db import schema", "sideways"),
        ("web.api.surveys", "from collector.web.visitors.script import Script", None),
        ("web.visitors.script", "from collector.web.api.surveys import routes", "up"),
        ("web.http.bodies", "from collector.web.visitors import script", "up"),
        ("surveys.patterns", "from collector.surveys.lifecycle import Survey", None),
        ("results.figures", "def f():\n    from collector.db.schema import sites", "inside a block"),
        ("db.opening", "def f():\n    import_module('collector.db.postgres')", "inside a block"),
        ("db.opening", "import_module('collector.web.http.limits')", "up"),
        ("attic.one", "import json", "has no layer"),
        ("web.attic", "import json", "has no layer"),
        ("run.app", "import collector.attic", "has no layer"),
    ],
)
def test_layers_can_fail(module: str, source: str, fault: str | None) -> None:
    found = faults_in(module, source)
    assert any(fault in one for one in found) if fault else found == []


def test_circles_can_be_found() -> None:
    one, two = "from collector.db import b", "from collector.db.a import x"
    assert circle_of((("db.a", one), ("db.b", two))) == ["db.a", "db.b", "db.a"]
    assert circle_of((("db.a", one), ("db.b", "import json"))) == []


def test_what_stands_at_the_top_by_itself_is_found() -> None:
    assert strangers(["db", "errors.py", "helpers.py", "__init__.py"]) == ["helpers.py"]
