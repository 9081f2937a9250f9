"""One frozen object read from the environment (``TEVREDEN_…``) and a ``.env`` file.

Every setting is in ``tevreden serve --help``, in the README and in ``docs/operator.md``; a test fails when one
is missing there.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from io import StringIO
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from collector.errors import SettingsError

PREFIX = "TEVREDEN_"
SHORTEST_SECRET = 32
"""Characters; fewer are refused, because every token rests on this one value."""


class Settings(BaseSettings):
    """What one process of the collector was told."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, case_sensitive=False)

    database_url: str = Field(
        "sqlite:///tevreden.db",
        description="Where answers are stored: sqlite:///FILE (sqlite:////FILE from the root of the disk), or "
        "postgresql://USER:PASSWORD@HOST:PORT/NAME, with several hosts after commas for a cluster.",
    )
    secret: str = Field(
        "",
        description=f"Signs all tokens: {SHORTEST_SECRET} characters or more, the same after each start. "
        "If left out, one is created in a file beside the SQLite database; required for PostgreSQL.",
    )
    base_url: str = Field(
        "",
        description="The public address of the collector, as in the tag: a host of its own, without a "
        "path. Default: http://HOST:PORT.",
    )
    host: str = Field(
        "127.0.0.1", description="The address to listen on; 0.0.0.0 for every interface, :: for IPv6 as well."
    )
    port: int = Field(8000, ge=1, le=65535, description="The port to listen on.")
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks, comma-separated, whose X-Forwarded-For and X-Forwarded-Proto are trusted.",
    )
    rate_per_address: int = Field(
        6_000,
        ge=0,
        description="Requests with events per minute from one client address, which many people may share; "
        "0 for no limit. Refused events stay in the browser and are sent again.",
    )
    rate_per_site: int = Field(
        120_000, ge=0, description="Requests with events per minute to one site, from all addresses; 0 for no limit."
    )
    allowed_networks: str = Field(
        "",
        description="Private networks that webhooks may call, comma-separated, such as 10.0.0.0/8. "
        "If left out, only public addresses can be called.",
    )
    oidc_issuer: str = Field(
        "",
        description="People sign in with this OpenID Connect provider too, such as https://accounts.example.com; it "
        "must know the collector by the redirect address …/admin/sign-on/back. Who it knows by the verified e-mail "
        "address of an account or an invitation comes in.",
    )
    oidc_client_id: str = Field("", description="Client ID at the provider.")
    oidc_client_secret: str = Field("", description="Client secret; leave it out for a public client.")
    oidc_name: str = Field("single sign-on", description="Name of the provider on the sign-in page.")
    log_format: str = Field("text", pattern="^(text|json)$", description="Format of log lines: text or json.")

    @field_validator("database_url")
    @classmethod
    def _known_store(cls, value: str) -> str:
        if re.fullmatch(r"sqlite:///[^?]+", value) and not value.endswith(":memory:"):
            return value
        if not re.fullmatch(r"postgres(ql)?://[^/?#]*/[^/?#]+(\?[^#]*)?", value):
            raise ValueError("must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME")
        return value

    @field_validator("secret")
    @classmethod
    def _strong_secret(cls, value: str) -> str:
        if value and (len(value) < SHORTEST_SECRET or len(set(value)) < 8):
            raise ValueError(
                f"is too weak: give {SHORTEST_SECRET} random characters or more, such as {secrets.token_urlsafe(32)}"
            )
        return value

    @field_validator("base_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        return _origin(value) if value else value

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, value: str) -> str:
        return value[1:-1] if value.startswith("[") and value.endswith("]") else value

    @field_validator("oidc_issuer")
    @classmethod
    def _provider(cls, value: str) -> str:
        if value and not re.fullmatch(r"https://[^\s?#]+|http://(localhost|127\.0\.0\.1)(:\d+)?(/[^\s?#]*)?", value):
            raise ValueError("must be an address such as https://accounts.example.com, with no query")
        return value

    @field_validator("trusted_proxies", "allowed_networks")
    @classmethod
    def _networks(cls, value: str) -> str:
        networks_in(value)
        return value

    @model_validator(mode="before")
    @classmethod
    def _strip(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {key: value.strip() if isinstance(value, str) else value for key, value in values.items()}

    @model_validator(mode="after")
    def _client(self) -> Self:
        if bool(self.oidc_issuer) != bool(self.oidc_client_id):
            raise ValueError("needs both TEVREDEN_OIDC_ISSUER and TEVREDEN_OIDC_CLIENT_ID, or neither")
        return self

    @property
    def database_file(self) -> Path | None:
        """The file of a SQLite database, None for a server's."""
        prefix = "sqlite:///"
        return Path(self.database_url.removeprefix(prefix)) if self.database_url.startswith(prefix) else None

    @property
    def public_url(self) -> str:
        """The address of the collector as a visitor's browser knows it, without a trailing slash."""
        host = self.host
        with suppress(ValueError):
            host = "127.0.0.1" if ip_address(host).is_unspecified else host  # which is no address to open
        host = f"[{host}]" if ":" in host else host
        return self.base_url or f"http://{host}:{self.port}"

    @property
    def networks(self) -> list[IPv4Network | IPv6Network]:
        """Those of `allowed_networks`."""
        return networks_in(self.allowed_networks)

    def with_secret(self) -> Self:
        """These settings with the secret that is kept beside the database, made now if there is none yet."""
        if self.secret:
            return self
        if self.database_file is None:
            raise SettingsError(
                f"{PREFIX}SECRET must be set with PostgreSQL, the same for every process: "
                f"{SHORTEST_SECRET} random characters or more, such as {secrets.token_urlsafe(32)}"
            )
        return self.model_copy(
            update={"secret": _secret_in(self.database_file.with_name(f"{self.database_file.name}.secret"))}
        )


def _secret_in(file: Path) -> str:
    """What a file holds, or a new secret that is kept in it from now on. Raises `SettingsError`."""
    try:
        kept = file.read_text("utf-8").strip()
    except FileNotFoundError:
        return _new_secret_in(file)
    except UnicodeDecodeError:
        kept = ""
    except OSError as error:
        raise SettingsError(
            f"cannot read the secret in {file}: {error.strerror}; let this user read it, or set {PREFIX}SECRET"
        ) from None
    if len(kept) < SHORTEST_SECRET:
        raise SettingsError(f"{file} contains no valid secret; restore it from a backup, or set {PREFIX}SECRET")
    return kept


def _new_secret_in(file: Path) -> str:
    made = secrets.token_urlsafe(48)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w") as open_file:
                open_file.write(made + "\n")
        except OSError:
            file.unlink()  # half a secret would stop the next start
            raise
    except OSError as error:
        raise SettingsError(f"cannot keep a secret in {file}: {error.strerror}") from None
    return made


def _origin(address: str) -> str:
    """An address without a path in the form that browsers send as Origin. Raises `ValueError`."""
    wrong = ValueError("must be an address such as https://surveys.example.com, with no query and no name of a user")
    if not re.fullmatch(r"https?://[^\s/?#@\\]+(/[^\s?#]*)?", address, re.IGNORECASE):
        raise wrong
    try:
        parts = urlsplit(address)
    except ValueError:
        raise wrong from None
    if parts.path.strip("/"):
        raise ValueError(
            f"must have no path: give the collector a host of its own, such as https://surveys.example.com, "
            f"instead of {parts.path}"
        )
    try:
        port, host = parts.port, parts.hostname or ""
        if ":" in host:
            host = f"[{ip_address(host)}]"
        elif not host.isascii():
            host = host.encode("idna").decode()
    except ValueError:
        raise wrong from None
    if not host:
        raise wrong
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, usual) else "")


def networks_in(text: str) -> list[IPv4Network | IPv6Network]:
    """Addresses and networks with commas between them. Raises `ValueError` that names one which is neither."""
    found = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        try:
            found.append(_unmapped(ip_network(part)))
        except ValueError:
            raise ValueError(f"names {part!r}, which is not an address or network such as 10.0.0.0/8") from None
    return found


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """IPv4 written as IPv6 is IPv4: so is every address that is looked up in a network."""
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.network_address.ipv4_mapped:
        return IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network


def plain_address(text: str) -> str:
    """An address without the IPv6 form that a socket for both families gives to IPv4; what is none stays as it is.

    The one place where that form is taken off: whoever compares or counts addresses has them from here.
    """
    if ":" not in text:
        return text
    with suppress(ValueError):
        mapped = IPv6Address(text).ipv4_mapped
        return str(mapped) if mapped else text
    return text


def load(**overrides: Any) -> Settings:
    """Read the settings; ``overrides`` (those that are not None) win over the environment, and that over ``.env``.

    Raises `SettingsError` with one line that names the setting and what would be right.
    """
    environment = _without_services(os.environ)
    written = _env_file(Path(".env"))
    _refuse_unknown(environment, "the environment")
    _refuse_unknown(written, ".env")
    told: dict[str, Any] = {
        field: value for field, value in _by_field(written).items() if field not in _by_field(environment)
    }
    if port_of_a_service():
        told.setdefault("port", str(Settings.model_fields["port"].default))
    told |= {field: value for field, value in overrides.items() if value is not None}
    try:
        settings = Settings(**told)
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if first["type"].startswith("int_"):
            reason = "must be a whole number"
        name = str(first["loc"][0]).upper() if first["loc"] else "OIDC_ISSUER"
        raise SettingsError(f"{PREFIX}{name} {reason}") from None
    folder = settings.database_file.parent if settings.database_file else None
    if folder:
        _require_folder(folder)
    return settings


def _require_folder(folder: Path) -> None:
    try:
        is_there = folder.is_dir()
    except OSError as error:
        raise SettingsError(f"{PREFIX}DATABASE_URL names a file in {folder}: {error.strerror}") from None
    if not is_there:
        raise SettingsError(
            f"{PREFIX}DATABASE_URL names a file in {folder}, a folder that does not exist; make it first"
        )


def _env_file(file: Path) -> dict[str, str]:
    """The lines of a ``.env`` file, if there is one. Raises `SettingsError` for one that cannot be read."""
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(
            f"cannot read {file}: {error.strerror}; make it readable for this user, or remove it"
        ) from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise SettingsError(f"{file} is not text in UTF-8; save it as UTF-8")
    return {name: value or "" for name, value in dotenv_values(stream=StringIO(text)).items()}


def _by_field(variables: Mapping[str, str]) -> dict[str, str]:
    """The settings among some variables, by the name of their field."""
    names = {name.upper(): value for name, value in variables.items()}
    return {field: names[key] for field in Settings.model_fields if (key := PREFIX + field.upper()) in names}


_OF_SERVICES = (
    (re.compile(rf"{PREFIX}(\w+_)?PORT"), re.compile(r"(tcp|udp|sctp)://\S+:\d+")),
    (re.compile(rf"{PREFIX}(\w+_)?SERVICE_HOST"), re.compile(r"[0-9A-Fa-f.:]+")),
    (re.compile(rf"{PREFIX}(\w+_)?SERVICE_PORT(_\w+)?"), re.compile(r"\d+")),
    (re.compile(rf"{PREFIX}(\w+_)?PORT_\d+_(TCP|UDP|SCTP)"), re.compile(r"(tcp|udp|sctp)://\S+:\d+")),
    (re.compile(rf"{PREFIX}(\w+_)?PORT_\d+_(TCP|UDP|SCTP)_(PORT|PROTO|ADDR)"), re.compile(r"[0-9A-Za-z.:]+")),
    (re.compile(rf"{PREFIX}(\w+_)?NAME"), re.compile(r"/\S+/\S+")),
)
"""Names and values of what Kubernetes and Docker's links tell a program of the services that it may use."""


def _without_services(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment without what tells of a service whose name begins with ours: that is nobody's setting."""
    return {
        name: value
        for name, value in variables.items()
        if not any(named.fullmatch(name) and known.fullmatch(value) for named, known in _OF_SERVICES)
    }


def port_of_a_service() -> str:
    """A line for the log where TEVREDEN_PORT is the address of a service and no setting, else nothing."""
    value = os.environ.get(f"{PREFIX}PORT", "")
    if not _OF_SERVICES[0][1].fullmatch(value):
        return ""
    return (
        f"{PREFIX}PORT={value} comes from a Kubernetes Service and is no setting; it is ignored. "
        "enableServiceLinks: false in the pod keeps such names out"
    )


def _refuse_unknown(variables: Mapping[str, str], origin: str) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in variables:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(f"{name} in {origin} is an unknown setting; available: {', '.join(sorted(known))}")


def described() -> list[tuple[str, str, str]]:
    """Each setting's variable, default and meaning, for help texts."""
    return [
        (PREFIX + name.upper(), str(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
