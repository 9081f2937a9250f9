"""The npm package: what is in it, its types, its words, and that a server may import it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.packing import NAME, WIDGET, installed, node

pytestmark = pytest.mark.slow

CONSUMER = """
import { load } from "tevreden-widget";
import type { AnsweredDetail, Explanation, Options, Rule, ShownDetail, Tevreden } from "tevreden-widget";

const surveys = { collector: "https://surveys.example.com", site: "abcdefghjkmn" };
const options: Options = { ...surveys, consent: "required", lang: "nl" };
const tevreden: Tevreden = load(options);
tevreden.identify({ email: "ada@example.com", plan: "pro" }, "signature");
tevreden.event("order placed");
tevreden.show("abc234", { mount: document.body });
tevreden.consent(true);
tevreden.dismiss();
tevreden.reset();
const stop: () => void = tevreden.on("shown", ({ survey, revision }: ShownDetail) => survey.repeat(revision));
tevreden.on("answered", ({ score, group, complete, comment }: AnsweredDetail) => {
  const words: string | undefined = group == "negative" && complete && score < 3 ? comment : undefined;
  return words;
});
tevreden.on("dismissed", ({ survey }) => survey);
export const broken = async (): Promise<Rule | undefined> => {
  const [first]: Explanation[] = await tevreden.explain(true);
  return first?.rules.find(({ holds }) => !holds);
};
(window.tevreden ||= []).push(["event", "order placed"]);
window.tevreden.push(["on", "answered", ({ score }) => score.toFixed()]);
window.tevreden.show?.("abc234");
stop();
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("package"))


def type_check(package: Path, source: str) -> subprocess.CompletedProcess[str]:
    folder = package.parent.parent
    (folder / "consumer.mts").write_text(source, "utf-8")
    strict = ("--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--noEmit")
    target = ("--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom")
    return node(str(WIDGET / "node_modules" / ".bin" / "tsc"), *strict, *target, "consumer.mts", folder=folder)


def test_package_holds_what_is_needed_and_nothing_else(package: Path) -> None:
    found = {str(file.relative_to(package)) for file in package.rglob("*") if file.is_file()}
    built = {"dist/index.js", "dist/index.d.ts", "dist/ui.js", "dist/explain.js"}
    assert found == {"package.json", "README.md", "LICENSE"} | built
    assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_npm_lists_the_same(package: Path) -> None:
    done = node("npm", "pack", "--dry-run", "--json", "--ignore-scripts", folder=package)
    assert done.returncode == 0, done.stderr
    listed = {file["path"] for file in json.loads(done.stdout)[0]["files"]}
    assert listed == {str(file.relative_to(package)) for file in package.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", ["ui.js", "explain.js"])
def test_files_that_draw_and_explain_are_those_of_the_collector(package: Path, name: str) -> None:
    assert (package / "dist" / name).read_bytes() == (ROOT / "collector/web/static/widget" / name).read_bytes()


def test_bundlers_can_tell_every_file_that_is_imported_later(package: Path) -> None:
    text = (package / "dist" / "index.js").read_text("utf-8")
    assert sorted(re.findall(r"import\(([^)]*)\)", text)) == ['"./explain.js"', '"./ui.js"']


def test_types_check_in_a_strict_project(package: Path) -> None:
    done = type_check(package, CONSUMER)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ('load({ site: "abcdefghjkmn" })', "collector"),
        ("load(options).event(1)", "string"),
        ('load(options).on("closed", () => {})', "closed"),
        ('load(options).on("shown", ({ score }) => score)', "score"),
        ('window.tevreden?.push(["show"])', "show"),
        ('load({ ...options, consent: "no" })', "required"),
    ],
)
def test_types_refuse_what_is_wrong(package: Path, wrong: str, fault: str) -> None:
    start = 'import { load, type Options } from "tevreden-widget";\ndeclare const options: Options;\n'
    done = type_check(package, start + wrong)
    assert done.returncode != 0
    assert fault in done.stdout


def test_server_may_load_and_call_and_nothing_happens(package: Path) -> None:
    source = """
      import { load } from "tevreden-widget";
      const tevreden = load({ collector: "http://127.0.0.1:9", site: "abcdefghjkmn" });
      for (const name of ["identify", "event", "show", "dismiss", "consent", "reset"]) tevreden[name]("x");
      tevreden.on("shown", () => {})();
      console.log(JSON.stringify(await tevreden.explain()), "window" in globalThis, "tevreden" in globalThis);
    """
    folder = package.parent.parent
    (folder / "server.mjs").write_text(source, "utf-8")
    done = node("node", "server.mjs", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["[]", "false", "false"]


def test_calls_and_options_and_types_are_in_the_readme_of_the_package(package: Path) -> None:
    readme = (package / "README.md").read_text("utf-8")
    types = (package / "dist" / "index.d.ts").read_text("utf-8")
    inside = dict(re.findall(r"^export interface (\w+)[^{]*\{(.*?)^\}", types, re.MULTILINE | re.DOTALL))
    calls = re.findall(r"^  (\w+)[(<]", inside["Tevreden"], re.MULTILINE)
    assert sorted(calls) == ["consent", "dismiss", "event", "explain", "identify", "on", "reset", "show"]
    options = re.findall(r"^  (\w+)\??:", inside["Options"], re.MULTILINE)
    assert sorted(options) == ["collector", "consent", "lang", "site"]
    for word in (*(f"| `{call}(" for call in calls), *(f"| `{option}` " for option in options), NAME):
        assert word in readme
    for name in re.findall(r"^  (\w+):", inside["Events"], re.MULTILINE):
        assert f"`{name}`" in readme
