"""The start: files that cannot be read, what others put into the environment, and addresses as hosts hand them out."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from collector.db.address import read_address
from collector.errors import SettingsError
from collector.settings import load
from tests.conftest import ROOT, SECRET, Process, tevreden
from tests.postgres import Cluster
from tests.stores import in_a_loop, opened

pytestmark = pytest.mark.slow

Spoil = Callable[[Path], object]


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("tevreden: "), done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


# ---- files


def _folder(file: Path) -> None:
    file.mkdir()


def _latin(file: Path) -> None:
    file.write_bytes("TEVREDEN_OIDC_NAME=Zürich und noch mehr davon\n".encode("latin-1"))


def _wide(file: Path) -> None:
    file.write_bytes("TEVREDEN_PORT=8001\n".encode("utf-16-le"))


def _loop(file: Path) -> None:
    file.symlink_to(file.name)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_folder, "cannot read .env: Is a directory"),
        (_latin, ".env is not text in UTF-8"),
        (_wide, ".env is not text in UTF-8"),
        (_loop, "cannot read .env: Too many levels"),
    ],
)
def test_env_file_that_cannot_be_read_stops_the_start_with_one_line(tmp_path: Path, spoil: Spoil, said: str) -> None:
    spoil(tmp_path / ".env")
    for command in (("serve",), ("migrate",), ("token", "add", "x")):
        assert said in one_line(tevreden(*command, folder=tmp_path))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_folder, "cannot read the secret in tevreden.db.secret: Is a directory"),
        (lambda file: file.write_bytes(b"\xff" * 64), "tevreden.db.secret contains no valid secret"),
        (lambda file: file.touch(), "tevreden.db.secret contains no valid secret"),
        (_loop, "cannot read the secret in tevreden.db.secret: Too many levels"),
    ],
)
def test_secret_that_cannot_be_read_stops_the_start_with_one_line(tmp_path: Path, spoil: Spoil, said: str) -> None:
    spoil(tmp_path / "tevreden.db.secret")
    assert said in one_line(tevreden("serve", folder=tmp_path))


@pytest.mark.parametrize("name", ["tevreden.db", "tevreden.db.lock", "tevreden.db.serving"])
def test_file_beside_the_database_that_is_a_folder_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    said = one_line(tevreden("serve", folder=tmp_path, TEVREDEN_SECRET=SECRET))
    assert "cannot use tevreden.db as the database" in said
    assert "Is a directory" in said
    assert name in said


def test_log_of_changes_that_is_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tevreden.db-wal").mkdir()
    done = tevreden("migrate", folder=tmp_path, TEVREDEN_SECRET=SECRET)
    assert "cannot use tevreden.db as the database" in one_line(done)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("backup", "/"), "is a folder"),
        (("backup", "."), "is a folder"),
        (("backup", "no/such/folder/x.db"), "No such file or directory"),
        (("backup", "a-file/x.db"), "Not a directory"),
        (("restore", "no-such.db"), "there is no file no-such.db"),
        (("restore", "a-file/x.db"), "there is no file"),
        (("restore", "loop"), "cannot read loop: Too many levels"),
        (("demo", "--folder", "a-file"), "cannot use a-file"),
        (("demo", "--folder", "a-file/x"), "cannot use a-file/x"),
    ],
)
def test_file_of_a_command_that_cannot_be_used_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "a-file").touch()
    _loop(tmp_path / "loop")
    assert said in one_line(tevreden(*arguments, folder=tmp_path))


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can do without its rights")
@pytest.mark.parametrize(
    "name", [".env", "t.db.secret", "t.db", "t.db.lock", "t.db.serving", "backup.db", "there/x.db"]
)
def test_file_of_another_user_is_one_line(tmp_path: Path, name: str) -> None:
    """Made by one user at a first start, and read by another at the next."""
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.touch()
    for private in {file, file.parent} - {tmp_path}:
        os.chown(private, 65534, 65534)
        private.chmod(0o600)
    command = {"backup.db": ["restore", name], "there/x.db": ["backup", "x.db"]}.get(name, ["serve"])
    done = subprocess.run(
        ["setpriv", "--bounding-set=-dac_override,-dac_read_search", sys.executable, "-m", "collector", *command],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "TEVREDEN_DATABASE_URL": f"sqlite:///{'there/x.db' if name == 'there/x.db' else 't.db'}",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = one_line(done)
    assert "Permission denied" in said
    assert name in said or name == "there/x.db"


# ---- the environment

SERVICE = {
    "SERVICE_HOST": "10.96.0.7",
    "SERVICE_PORT": "8000",
    "SERVICE_PORT_HTTP": "8000",
    "PORT_8000_TCP": "tcp://10.96.0.7:8000",
    "PORT_8000_TCP_PROTO": "tcp",
    "PORT_8000_TCP_PORT": "8000",
    "PORT_8000_TCP_ADDR": "10.96.0.7",
    "PORT": "tcp://10.96.0.7:8000",
}


def test_services_of_kubernetes_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in ("TEVREDEN", "TEVREDEN_POSTGRES", "TEVREDEN_DATABASE"):
        for name, value in SERVICE.items():
            monkeypatch.setenv(f"{service}_{name}", value)
    monkeypatch.setenv("TEVREDEN_SERVICE_HOST", "fd00::7")
    monkeypatch.setenv("TEVREDEN_NAME", "/shop/tevreden")
    assert load().port == 8000
    assert load(port=9000).port == 9000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TEVREDEN_SERVICE_HOTS", "10.96.0.7"),
        ("TEVREDEN_SERVICE_HOST", "not an address"),
        ("TEVREDEN_PORT_TCP", "tcp://10.96.0.7:8000"),
        ("TEVREDEN_SERVICE_PORT", "tcp"),
        ("TEVREDEN_PORTS", "8000"),
        ("TEVREDEN_NAME", "Shop"),
        ("TEVREDEN_PORT", "tcp://"),
    ],
)
def test_what_only_resembles_a_service_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load()


def test_collector_beside_a_service_of_its_name_starts_and_says_how_to_keep_such_names_out(alone: Process) -> None:
    alone.environment |= {f"TEVREDEN_{name}": value for name, value in SERVICE.items()}
    alone.arguments = ("serve", "--port", str(alone.port))
    alone.start()
    alone.stop()
    assert "enableServiceLinks: false" in alone.output.read_text()


def test_file_beside_a_service_says_which_port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("\ufeffTEVREDEN_PORT=8123\n", "utf-8")
    monkeypatch.setenv("TEVREDEN_PORT", SERVICE["PORT"])
    assert load().port == 8123
    monkeypatch.setenv("TEVREDEN_PORT", "8124")
    assert load().port == 8124, "the environment wins over the file"


# ---- the address of the database


HANDED_OUT = (
    "sslmode=prefer&channel_binding=prefer",
    "sslmode=disable&gssencmode=disable&connect_timeout=10",
    "connect_timeout=0&keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=3",
    "keepalives=0&tcp_user_timeout=10000",
    "application_name=surveys&fallback_application_name=x",
    "options=-c%20statement_timeout%3D20s",
    "options=-csearch_path%3Dpublic%20-c%20work_mem%3D8MB",
    "target_session_attrs=read-write&load_balance_hosts=disable",
    "client_encoding=utf8&sslcompression=0&sslsni=1",
    "statement_timeout=20000&sslmode=",
)


@pytest.mark.parametrize("query", HANDED_OUT)
def test_address_as_a_host_hands_it_out_is_taken(postgres: Cluster, query: str) -> None:
    url = f"{postgres.create_database('handed_out')}?{query}"

    async def run() -> None:
        async with opened(url) as database:
            await database.probe()

    in_a_loop(run)
    postgres.drop_database("handed_out")


def test_what_an_address_asks_for_is_done(postgres: Cluster) -> None:
    query = "application_name=shop&options=-c%20work_mem%3D7MB&keepalives_idle=77&connect_timeout=1"
    address = read_address(f"{postgres.url()}?{query}")
    assert (address.application_name, address.timeout) == ("shop", 2.0)

    async def run() -> None:
        connection = await asyncpg.connect(address.dsn)
        address.prepare(connection)
        its: Any = connection._transport.get_extra_info("socket")
        assert its.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
        assert await connection.fetchval("SHOW work_mem") == "7MB"
        await connection.close()
        await asyncio.sleep(0)  # in which the loop closes its socket

    in_a_loop(run)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("channel_binding=require", "channel_binding=require is not supported; leave channel_binding out"),
        ("gssencmode=require", "leave gssencmode out"),
        ("require_auth=scram-sha-256", "leave require_auth out"),
        ("load_balance_hosts=random", "leave load_balance_hosts out"),
        ("client_encoding=latin1", "leave client_encoding out"),
        ("connect_timeout=10s", "connect_timeout must be a whole number, not '10s'"),
        ("keepalives_idle=x", "keepalives_idle must be a whole number"),
        ("pgbouncer=true", "leave pgbouncer out of TEVREDEN_DATABASE_URL"),
        ("schema=public", "leave schema out of TEVREDEN_DATABASE_URL"),
        ("connection_limit=5&pool_timeout=1", "out of TEVREDEN_DATABASE_URL"),
        ("statement_timeout=soon", "leave statement_timeout out of TEVREDEN_DATABASE_URL"),
        ("sslmode=sometimes", "sslmode"),
        ("sslrootcert=system&sslmode=require", "sslrootcert=system needs sslmode=verify-full"),
        ("sslmode=verify-full&sslrootcert=/no/such/file", "No such file or directory"),
        ("target_session_attrs=best", "target_session_attrs"),
    ],
)
def test_address_that_asks_for_more_says_what_to_leave_out(
    postgres: Cluster, tmp_path: Path, query: str, said: str
) -> None:
    environment = {"TEVREDEN_DATABASE_URL": f"{postgres.url()}?{query}", "TEVREDEN_SECRET": SECRET}
    assert said in one_line(tevreden("serve", folder=tmp_path, **environment))


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252", "EUC_JP"])
def test_database_that_cannot_keep_every_text_is_refused(postgres: Cluster, tmp_path: Path, encoding: str) -> None:
    name = f"in_{encoding.lower()}"
    postgres.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    environment = {"TEVREDEN_DATABASE_URL": postgres.url(name), "TEVREDEN_SECRET": SECRET}
    for command in ("serve", "migrate", "worker"):
        said = one_line(tevreden(command, folder=tmp_path, **environment))
        assert f"stores text as {encoding}" in said
        assert "createdb -E UTF8" in said
    postgres.drop_database(name)


def test_nothing_is_left_of_a_secret_that_could_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("TEVREDEN_DATABASE_URL", f"sqlite:///{tmp_path}/t.db")
    with monkeypatch.context() as patched:
        patched.setattr("collector.settings.os.fdopen", full)
        with pytest.raises(SettingsError, match="cannot keep a secret"):
            load().with_secret()
    assert not list(tmp_path.iterdir())
    assert len(load().with_secret().secret) > 60
    shutil.rmtree(tmp_path)
