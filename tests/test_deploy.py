"""The samples in ``docs/deploy``, Dockerfile and compose.yaml: they say what the collector needs, and the proxies' are
tried in front of one where those programs are installed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2 as httpx
import pytest
import trustme

from collector.settings import described
from tests.conftest import PASSWORD, PERSON, ROOT, USER, Process, add_site
from tests.events import response

pytestmark = pytest.mark.slow

SAMPLES = ROOT / "docs" / "deploy"
HOST = "surveys.example.com"
START_SECONDS = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """A sample with a few of its values changed; each must be there."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextmanager
def running(command: list[str], folder: Path, port: int, **environment: str) -> Iterator[None]:
    """A proxy, until it takes connections and as long as it is needed."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)  # the pause between two looks
            yield
        finally:
            process.terminate()
            process.wait(START_SECONDS)


@contextmanager
def nginx(folder: Path, collector: int, port: int, pem: Path) -> Iterator[None]:
    sample = (SAMPLES / "nginx.conf").read_text("utf-8")
    server = replaced(
        sample,
        ("127.0.0.1:8000", f"127.0.0.1:{collector}"),
        ("    listen 80;\n    listen [::]:80;\n", f"    listen 127.0.0.1:{free_port()};\n"),
        ("    listen [::]:443 ssl http2;\n", ""),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (f"/etc/letsencrypt/live/{HOST}/fullchain.pem", str(pem)),
        (f"/etc/letsencrypt/live/{HOST}/privkey.pem", str(pem)),
    )
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{server}}}\n"
    )
    command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    with running(command, folder, port):
        yield


@contextmanager
def caddy(folder: Path, collector: int, port: int, pem: Path) -> Iterator[None]:
    site = replaced(
        (SAMPLES / "Caddyfile").read_text("utf-8"),
        ("127.0.0.1:8000", f"127.0.0.1:{collector}"),
        (f"\n{HOST} {{\n", f"\n{HOST}:{port} {{\n\ttls {pem} {pem}\n"),
    )
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{site}")
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    with running(command, folder, port, XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder)):
        yield


class Behind:
    """A collector behind a proxy that visitors reach as ``https://surveys.example.com:PORT``."""

    def __init__(self, process: Process, url: str, port: int) -> None:
        self.process = process
        self.url = url
        self.port = port
        self.address = "127.0.0.1"

    def ask(self, method: str, path: str, **options: object) -> httpx.Response:
        transport = httpx.HTTPTransport(verify=False, trust_env=False, local_address=self.address)
        with httpx.Client(base_url=f"https://127.0.0.1:{self.port}", transport=transport) as client:
            client.headers["Host"] = HOST
            reply: httpx.Response = client.request(method, path, extensions={"sni_hostname": HOST}, **options)  # type: ignore[arg-type]
            return reply


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def behind(request: pytest.FixtureRequest, alone: Process, tmp_path: Path) -> Iterator[Behind]:
    name = request.param.__name__
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    folder = tmp_path / name
    folder.mkdir()
    port = free_port()
    pem = folder / "server.pem"
    trustme.CA().issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(pem))
    alone.environment |= {"TEVREDEN_BASE_URL": f"https://{HOST}", "TEVREDEN_TRUSTED_PROXIES": "127.0.0.1"}
    alone.environment["TEVREDEN_RATE_PER_ADDRESS"] = "3"
    alone.command("user", "add", USER, "--password", PASSWORD)
    alone.start()
    with request.param(folder, int(alone.url.rpartition(":")[2]), port, pem):
        yield Behind(alone, f"https://{HOST}", port)


def test_sample_of_a_proxy_serves_scripts_events_and_the_admin(behind: Behind) -> None:
    process = behind.process
    site = add_site(process.http, process.url, process.command("token", "add", "tests"))
    survey = site.publish()

    script = behind.ask("GET", f"/w/{site.key}.js", headers={"Accept-Encoding": "br"})
    assert (script.status_code, script.headers["content-encoding"]) == (200, "br")
    tag = script.headers["etag"]
    again = behind.ask("GET", f"/w/{site.key}.js", headers={"If-None-Match": tag, "Accept-Encoding": "br"})
    assert (again.status_code, again.content) == (304, b"")

    events = f"/w/{site.key}/events"
    sent = behind.ask("POST", events, json={"events": [response(survey)]}, headers={"User-Agent": PERSON})
    assert sent.status_code == 200, sent.text
    assert site.results(survey)["counts"]["scores"] == 1

    form = {"email": USER, "password": PASSWORD}
    signed = behind.ask("POST", "/admin/sign-in", data=form, headers={"Origin": behind.url})
    assert signed.status_code == 303, signed.text
    assert "secure" in signed.headers["set-cookie"].lower()
    assert signed.headers["location"].startswith("/admin")
    foreign = behind.ask("POST", "/admin/sign-in", data=form, headers={"Origin": "https://else.example"})
    assert foreign.status_code == 403


def test_forwarded_addresses_are_the_proxys_and_no_visitors_own(behind: Behind) -> None:
    """A visitor who names another address each time has one limit all the same, and other visitors have their own."""
    process = behind.process
    site = add_site(process.http, process.url, process.command("token", "add", "tests"))
    survey = site.publish()

    def send(number: int) -> int:
        forged = {"User-Agent": PERSON, "X-Forwarded-For": f"192.0.2.{number}"}
        body = {"events": [response(survey)]}
        return behind.ask("POST", f"/w/{site.key}/events", json=body, headers=forged).status_code

    assert [send(number) for number in range(1, 6)].count(429) >= 1
    behind.address = "127.0.0.2"
    assert send(6) == 200, "another visitor has a limit of their own"


def test_compose_and_dockerfile_name_settings_and_files_that_there_are() -> None:
    known = {name for name, _, _ in described()}
    for name in ("compose.yaml", "Dockerfile", ".env.example", "docs/deploy/nginx.conf", "docs/deploy/Caddyfile"):
        named = set(re.findall(r"TEVREDEN_[A-Z_]+", (ROOT / name).read_text("utf-8")))
        assert named <= known, name
    compose = (ROOT / "compose.yaml").read_text("utf-8")
    example = (ROOT / ".env.example").read_text("utf-8")
    wanted = set(re.findall(r"\$\{(\w+):\?", compose))
    assert wanted == set(re.findall(r"^(\w+)=", example, re.MULTILINE)) == set(re.findall(r"\$\{(\w+)", compose))
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text("utf-8")
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
        assert f"!{source}\n" in ignored, source


def test_unit_is_what_systemd_understands(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    unit = replaced((SAMPLES / "tevreden.service").read_text("utf-8"), ("/opt/tevreden/bin/tevreden", "/bin/true"))
    (tmp_path / "tevreden.service").write_text(unit)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "tevreden.service")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
