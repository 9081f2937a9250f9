"""The command, as people run it."""

from __future__ import annotations

import re
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.conftest import PASSWORD, Process, tevreden

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TEVREDEN_DATABASE_URL": "mysql://x"}, "TEVREDEN_DATABASE_URL must be sqlite:///FILE"),
        (
            {"TEVREDEN_DATABASE_URL": "sqlite:///no/such/folder/x.db"},
            "names a file in no/such/folder, a folder that does not exist",
        ),
        ({"TEVREDEN_SECRET": "short"}, "TEVREDEN_SECRET is too weak: give 32 random characters or more"),
        ({"TEVREDEN_SECRET": "a" * 40}, "TEVREDEN_SECRET is too weak"),
        ({"TEVREDEN_PORT": "eighty"}, "TEVREDEN_PORT must be a whole number"),
        ({"TEVREDEN_BASE_URL": "surveys.example.com"}, "TEVREDEN_BASE_URL must be an address such as https://"),
        ({"TEVREDEN_TRUSTED_PROXIES": "10.0.0.0/99"}, "TEVREDEN_TRUSTED_PROXIES names '10.0.0.0/99'"),
        ({"TEVREDEN_LOG_FORMAT": "xml"}, "TEVREDEN_LOG_FORMAT"),
        (
            {"TEVREDEN_DATABSE_URL": "x"},
            "TEVREDEN_DATABSE_URL in the environment is an unknown setting; available: TEVREDEN_ALLOWED",
        ),
    ],
)
def test_bad_setting_stops_the_start_with_one_line(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    done = tevreden("serve", folder=tmp_path, **environment)
    assert done.returncode == 1
    assert done.stderr.startswith("tevreden: ")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_unknown_setting_in_the_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TEVREDEN_SECRETS=x\n")
    done = tevreden("migrate", folder=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "TEVREDEN_SECRETS in .env is an unknown setting" in done.stderr


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tevreden.db").write_bytes(b"not a database, but some text that someone else wrote" * 50)
    done = tevreden("migrate", folder=tmp_path)
    assert done.returncode == 1
    assert "cannot use tevreden.db as the database: file is not a database" in done.stderr


def test_secret_is_made_once_and_kept_to_its_owner(tmp_path: Path, alone: Process) -> None:
    del alone.environment["TEVREDEN_SECRET"]
    alone.start()
    alone.stop()
    file = tmp_path / "tevreden.db.secret"
    kept = file.read_text()
    assert len(kept) > 60
    for private in tmp_path.glob("tevreden.db*"):
        assert private.stat().st_mode & 0o077 == 0, private
    alone.start()
    alone.stop()
    assert file.read_text() == kept


def test_second_collector_on_the_same_file_is_refused(tmp_path: Path, alone: Process) -> None:
    alone.start()
    done = tevreden("serve", folder=tmp_path, TEVREDEN_PORT="1")
    assert done.returncode != 0
    assert "another collector is already serving" in done.stderr
    assert "Traceback" not in done.stderr
    alone.stop()


def test_port_that_is_taken_is_told_in_one_line(tmp_path: Path, alone: Process) -> None:
    alone.start()
    other = tmp_path / "other"
    other.mkdir()
    done = tevreden("serve", "--port", str(alone.port), folder=other)
    assert done.returncode != 0
    assert done.stderr.strip() == (
        f"tevreden: cannot listen on 127.0.0.1 port {alone.port}: Address already in use; choose another with --port"
    )
    assert done.stdout == "", "nothing is announced that is not there"
    assert "Traceback" not in done.stderr
    alone.stop()


def test_users_tokens_and_sites_are_added_while_the_collector_runs(tmp_path: Path, alone: Process) -> None:
    alone.start()
    token = alone.command("token", "add", "reports")
    assert re.fullmatch(r"tvr_[\w-]{43}", token)
    assert 'src="http://127.0.0.1:' in alone.command("site", "add", "Shop")
    assert alone.command("user", "add", "Jo@Example.com", "--password", PASSWORD) == "Created user jo@example.com."
    listed = alone.http.get(alone.url + "/api/v1/sites", headers={"Authorization": f"Bearer {token}"})
    assert [site["name"] for site in listed.json()["items"]] == ["Shop"]
    alone.stop()
    with sqlite3.connect(tmp_path / "tevreden.db") as connection:
        dump = "\n".join(connection.iterdump())
    assert token not in dump
    assert PASSWORD not in dump


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("user", "add", "nobody", "--password", PASSWORD), "email: must be an e-mail address"),
        (("user", "add", "a@example.com", "--password", "short"), "password: must have at least 12 characters"),
        (("token", "add", " "), "name: must contain visible text"),
        (("site", "add", ""), "name: must contain visible text"),
    ],
)
def test_what_cannot_be_added_is_told_in_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = tevreden(*arguments, folder=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (1, f"tevreden: {said}")


def test_the_same_twice_is_refused(tmp_path: Path) -> None:
    for what in (("token", "add", "x"), ("site", "add", "x"), ("user", "add", "a@example.com", "--password", PASSWORD)):
        assert tevreden(*what, folder=tmp_path).returncode == 0
        done = tevreden(*what, folder=tmp_path)
        assert done.returncode == 1
        assert "already" in done.stderr


def test_version(tmp_path: Path) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", tevreden("--version", folder=tmp_path).stdout.strip())


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_collector_stops_when_told_to(tmp_path: Path, alone: Process, how: signal.Signals) -> None:
    alone.start()
    assert alone.stop(how) == 0
    assert "Traceback" not in alone.output.read_text()
    assert not (tmp_path / "tevreden.db-wal").exists(), "closed, and nothing left to recover"


def test_demo_says_where_everything_is_and_keeps_it(alone: Process) -> None:
    alone.arguments = ("demo", "--port", str(alone.port))
    alone.environment = {}
    alone.start()
    first = alone.output.read_text()
    token = re.search(r"tvr_[\w-]+", first)
    password = re.search(r"password +(\S+)", first)
    assert token
    assert password
    for path in ("/demo/", "/demo/plants", "/demo/monstera", "/demo/cart", "/demo/order", "/demo/dutch", "/plain/"):
        page = alone.http.get(alone.url + path)
        assert page.status_code == 200, path
        assert f'<script async src="{alone.url}/w/' in page.text, path
        assert "SITE_KEY" not in page.text, path
    for path in (
        "/demo/nosuch",
        "/demo/../cli.py",
        "/demo/%2e%2e/%2e%2e/collector/run/cli.py",
        "/other/",
        "/demo/%00",
        "/demo//",
        "/plain/" + "a" * 300,
    ):
        assert alone.http.get(alone.url + path).status_code == 404, path
    surveys = alone.http.get(alone.url + "/api/v1/surveys", headers={"Authorization": f"Bearer {token.group()}"})
    placements = {one["document"]["appearance"]["position"] for one in surveys.json()["items"]}
    assert placements == {"slide-in-left", "slide-in-right", "callout-left", "callout-right", "banner"}
    assert {one["document"]["language"] for one in surveys.json()["items"]} == {"en", "nl", "ar"}
    alone.stop()
    alone.output.write_text("")
    alone.start()
    again = alone.output.read_text()
    assert token.group() in again
    assert password.group(1) in again
    form = {"email": "owner@example.com", "password": password.group(1)}
    signed = alone.http.post(alone.url + "/admin/sign-in", data=form, headers={"Origin": alone.url})
    assert signed.status_code == 303
    alone.stop()
