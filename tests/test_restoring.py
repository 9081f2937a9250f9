"""What a restore must not bring back, and a store that comes to another secret than it was made with."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from starlette.testclient import TestClient

from collector.access.signing import Signing
from collector.automations.subscriptions import hold_back_deliveries
from collector.db.backup import back_up
from collector.db.ids import new_hex_id
from collector.db.outbox import new_event, put_jobs, redo
from collector.db.verbs import Call, Steps
from collector.run.app import create_app, open_services
from collector.settings import Settings
from tests.conftest import ORIGIN, PASSWORD, SECRET, USER, App, Process, free_port, tevreden
from tests.events import response
from tests.jobs import NOW, open_jobs
from tests.second_step import code_now, first_step, turn_on
from tests.services import services_of
from tests.signed_in import bearer, id_of, lock_out, make_token, person, post
from tests.stores import KINDS, everything_in, run_command, silent

pytestmark = pytest.mark.slow

ANOTHER = "another secret than the one of before, 9876543210"


@contextmanager
def served(url: str) -> Iterator[TestClient]:
    settings = Settings(database_url=url, secret=SECRET)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_services(settings)) as open_:
        client = TestClient(create_app(open_), base_url="http://collector.test", follow_redirects=False)
        client.portal = portal
        yield client


def taken(app: App) -> Path:
    """A backup of what the collector serves."""
    file = app.folder / "taken.backup"
    assert app.client.portal
    app.client.portal.call(back_up, services_of(app).database, file, silent)
    return file


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_lets_anybody_in_comes_back_with_a_restore(
    owner: App, fresh: Callable[[str], str], kind: str
) -> None:
    person(owner, "jo@example.com", "viewer")
    session, device = (owner.client.cookies[f"tevreden-{name}"] for name in ("session", "device"))
    invited = post(owner, "/admin/users/invite", None, email="new@example.com", role="owner", site="").text
    reset = post(owner, f"/admin/users/{id_of(owner, 'jo@example.com')}/reset").text
    links = [re.findall(rf"/admin/{name}/[\w-]+", text)[0] for name, text in (("join", invited), ("reset", reset))]
    token = make_token(owner, scope="write")
    lock_out(owner)
    file, target = taken(owner), fresh(kind)
    done = run_command("restore", file, url=target)
    assert done.returncode == 0, done.stderr
    assert "API tokens (Dashboard, tests) were revoked; use --keep-tokens to restore them." in done.stdout
    assert "All users are signed out" in done.stdout
    with served(target) as client:
        client.cookies.set("tevreden-session", session)
        assert client.get("/admin/sites").status_code == 303
        assert [client.get(link).status_code for link in links] == [404, 404]
        assert client.get("/api/v1/sites", headers=bearer(token)).status_code == 401
        client.cookies.clear()
        client.cookies.set("tevreden-device", device)
        guess = {"email": USER, "password": "guess"}
        tries = [client.post("/admin/sign-in", data=guess, headers=ORIGIN).status_code for _ in range(11)]
        assert tries == [401] * 10 + [429]
        client.cookies.clear()
        right = {**guess, "password": PASSWORD}
        assert client.post("/admin/sign-in", data=right, headers=ORIGIN).status_code == 429, "it is known no more"
    rows = everything_in(target)
    assert not any(rows[name] for name in ("sessions", "links", "tokens"))


def test_tokens_come_back_where_that_is_said(owner: App, fresh: Callable[[str], str]) -> None:
    token = make_token(owner, scope="write")
    file, target = taken(owner), fresh("sqlite")
    assert "were restored." in run_command("restore", file, "--keep-tokens", url=target).stdout
    with served(target) as client:
        assert client.get("/api/v1/sites", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_recovery_code_that_was_used_since_is_not_good_again(
    owner: App, fresh: Callable[[str], str], kind: str
) -> None:
    secret, codes = turn_on(owner)
    file, target = taken(owner), fresh(kind)
    owner.client.cookies.clear()
    form = {"pending": first_step(owner), "code": codes[0]}
    assert owner.client.post("/admin/sign-in/code", data=form, headers=ORIGIN).status_code == 303
    done = run_command("restore", file, url=target)
    assert "Recovery codes are not" in done.stdout
    assert everything_in(target)["recovery_codes"] == []
    with served(target) as client:
        for code, status in ((codes[0], 401), (codes[1], 401), (code_now(secret, 1), 303)):
            form = {"pending": first_step(owner, client), "code": code}
            assert client.post("/admin/sign-in/code", data=form, headers=ORIGIN).status_code == status, code


@pytest.mark.parametrize("kind", KINDS)
def test_delivery_that_waited_in_a_backup_goes_out_when_somebody_asks_for_it_alone(
    owner: App, fresh: Callable[[str], str], kind: str
) -> None:
    webhook = owner.site.call("POST", "/webhooks", {"url": "https://nowhere.invalid/in"}).json()
    owner.send(response(owner.site.publish()))
    owner.await_told()

    file, target = taken(owner), fresh(kind)
    with closing(sqlite3.connect(file)) as backup:
        backup.execute("UPDATE jobs SET status = 'waiting', finished_at = NULL, reason = NULL WHERE site_id > 0")
        backup.commit()

    done = run_command("restore", file, "--keep-tokens", url=target)
    assert done.returncode == 0, done.stderr
    assert "1 webhook deliveries are held back" in done.stdout
    (job,) = (row for row in everything_in(target)["jobs"] if row["site_id"])
    assert (job["status"], job["lease"]) == ("failed", None)
    with served(target) as client:
        site, headers = {"site": owner.site.key}, bearer(owner.site.token)
        path = f"/api/v1/webhooks/{webhook['id']}/deliveries"
        (held,) = client.get(path, params=site, headers=headers).json()["items"]
        assert (held["status"], held["attempts"]) == ("failed", job["attempts"])
        assert held["reason"] == "held back by a restore: it may have been sent before"
        redone = client.post(f"{path}/{held['id']}/redo", params=site, headers=headers)
        assert redone.status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_what_nobody_was_told_of_in_a_backup_is_held_back_too(fresh: Callable[[str], str], kind: str) -> None:
    with open_jobs(fresh(kind)) as there:
        site = there.add_site()
        webhook = there.add_webhook(site, "https://receiver.example/")

        def put() -> Steps[None]:
            yield [Call(put_jobs, [new_event(site, new_hex_id(), "{}", NOW)])]

        there.portal.call(there.database.batch, put)
        (waits,) = there.put(site, target=webhook)
        assert there.write(lambda connection: hold_back_deliveries(connection, now=NOW)) == 2
        assert there.statuses() == {"failed": 2}
        assert there.claim(NOW + timedelta(days=1)) == []
        there.write(lambda connection: redo(connection, site, waits, now=NOW))
        assert [job.id for job in there.claim(NOW)] == [waits]


def test_backup_of_before_holds_no_way_in_either(owner: App) -> None:
    """Somebody may put the file in place of the database."""
    post(owner, "/admin/users/invite", None, email="new@example.com", role="owner", site="")
    rows = everything_in(f"sqlite:///{taken(owner)}")
    assert rows["users"]
    assert not any(rows[name] for name in ("sessions", "links", "devices", "guesses", "recovery_codes"))


# ---- another secret


def serves(folder: Path, **environment: str) -> str:
    """The last line of a collector that must not start."""
    done = tevreden("serve", "--port", str(free_port()), folder=folder, **environment)
    assert done.returncode == 1, done.stdout
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


@pytest.fixture
def moved(alone: Process, tmp_path: Path) -> Path:
    """A folder into which the backup of a collector that made its own secret was restored, without that secret."""
    del alone.environment["TEVREDEN_SECRET"]
    alone.command("site", "add", "Shop")
    alone.start()
    alone.stop()
    alone.command("backup", "all.backup")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    done = tevreden("restore", str(tmp_path / "all.backup"), folder=folder)
    assert done.returncode == 0, done.stderr
    assert "was made with a secret that is not here: bring tevreden.db.secret along" in done.stderr
    return folder


def test_backup_under_another_secret_is_not_served_in_silence(moved: Path, tmp_path: Path) -> None:
    said = serves(moved)
    assert "was made with a secret that is not here: bring tevreden.db.secret along" in said
    assert "tevreden new-secret" in said
    assert not (moved / "tevreden.db.secret").exists(), "none is made that would be the wrong one"
    said = serves(moved, TEVREDEN_SECRET=ANOTHER)
    assert "TEVREDEN_SECRET is not the secret that tevreden.db was made with" in said
    (moved / "tevreden.db.secret").write_text(ANOTHER)
    assert "the secret in tevreden.db.secret is not the secret that tevreden.db was made with" in serves(moved)
    shutil.copy(tmp_path / "tevreden.db.secret", moved)
    process = Process(moved)
    del process.environment["TEVREDEN_SECRET"]
    process.start()
    assert process.stop() == 0
    process.close()


def test_secret_file_that_is_gone_is_not_replaced_in_silence(alone: Process, tmp_path: Path) -> None:
    del alone.environment["TEVREDEN_SECRET"]
    alone.command("site", "add", "Shop")
    alone.start()
    alone.stop()
    kept = (tmp_path / "tevreden.db.secret").read_text()
    (tmp_path / "tevreden.db.secret").unlink()
    assert "bring tevreden.db.secret along" in serves(tmp_path)
    assert Signing(kept.strip()).check_value() not in kept


def test_going_on_with_a_new_secret_says_what_is_lost_and_lets_people_in(
    owner: App, fresh: Callable[[str], str]
) -> None:
    turn_on(owner)
    survey = owner.site.publish()
    owner.send(response(survey))
    owner.site.call("POST", "/webhooks", {"url": "https://hooks.example/in"})
    file, target = taken(owner), fresh("sqlite")
    assert run_command("restore", file, url=target).returncode == 0
    folder = Path(target.removeprefix("sqlite:///")).parent
    environment = {"TEVREDEN_DATABASE_URL": target, "TEVREDEN_SECRET": ANOTHER}
    refused = tevreden("new-secret", folder=folder, **environment)
    assert (refused.returncode, "two-factor authentication for 1 users" in refused.stdout) == (1, True)
    assert "nothing was changed; use --yes" in refused.stderr
    assert "is not the secret" in serves(folder, **environment)
    done = tevreden("new-secret", "--yes", folder=folder, **environment)
    assert done.returncode == 0, done.stderr
    assert "1 webhooks" in done.stdout
    process = Process(folder)
    process.environment |= environment
    process.start()
    form = {"email": USER, "password": PASSWORD}
    reply = process.http.post(process.url + "/admin/sign-in", data=form, headers={"Origin": process.url})
    assert reply.status_code == 303, "no code is asked for that nobody could give"
    process.close()
    again = tevreden("new-secret", folder=folder, **environment)
    assert "is already correct" in again.stdout


def test_store_that_nothing_rests_on_yet_takes_any_secret(tmp_path: Path) -> None:
    assert tevreden("token", "add", "x", folder=tmp_path).returncode == 0
    for secret in (SECRET, ANOTHER):
        process = Process(tmp_path)
        process.environment["TEVREDEN_SECRET"] = secret
        process.start()
        assert process.stop() == 0
        process.close()
