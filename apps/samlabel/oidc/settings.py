"""Settings of logins by OpenID Connect, read once and checked: what is incomplete is refused before a server starts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from samlabel.config import AppConfig
from samlabel.errors import ConfigError
from samlabel.logins.person import checked_role, rank

# The secret may stand in the environment instead of a file; it never stands among the settings, which logs show.
SECRET_VARIABLE = "SAMLABEL_OIDC_SECRET"

CALLBACK = "/auth/oidc/callback"


@dataclass(frozen=True)
class OidcSettings:
    """How to log people in at one provider."""

    issuer: str
    client: str
    address: str  # of this server, as browsers reach it
    roles: Mapping[str, str]  # a group of the provider: the role of its people here
    projects: Sequence[tuple[str, str]] = ()  # a group, and a project whose cases its people see
    secret: str | None = field(default=None, repr=False)
    scopes: str = "openid profile email"
    groups_claim: str = "groups"
    name_claim: str = "preferred_username"
    ca_file: Path | None = None
    skew_s: int = 60

    @property
    def callback(self) -> str:
        """Where the provider sends browsers back to; it must be registered there."""
        return self.address + CALLBACK

    @classmethod
    def of(cls, config: AppConfig, environ: Mapping[str, str] = os.environ) -> OidcSettings | None:
        """The settings of an app; None where it does not use a provider."""
        if not config.oidc_issuer:
            return None
        for name in ("oidc_client", "oidc_address", "oidc_roles"):
            if not getattr(config, name):
                raise ConfigError(f"oidc_issuer is set, so {name} is needed too", name)
        return cls(
            _address("oidc_issuer", config.oidc_issuer),
            config.oidc_client,
            _address("oidc_address", config.oidc_address),
            _roles(config.oidc_roles),
            tuple(_pairs("oidc_projects", config.oidc_projects, "PROJECT")),
            _secret(config.oidc_secret_file, environ),
            config.oidc_scopes,
            config.oidc_groups_claim,
            config.oidc_name_claim,
            _ca_file(config.oidc_ca_file),
            config.oidc_skew_seconds,
        )

    def projects_of(self, groups: Sequence[str]) -> tuple[str, ...]:
        """The projects that groups bring."""
        return tuple(dict.fromkeys(project for group, project in self.projects if group in groups))

    def role_of(self, groups: Sequence[str]) -> str | None:
        """The highest role that groups bring; None when none of them brings any."""
        found = [self.roles[group] for group in groups if group in self.roles]
        return max(found, key=rank, default=None)


def _address(name: str, text: str) -> str:
    """An address over TLS; on this machine, for tests, also without."""
    split = urlsplit(text.rstrip("/"))
    local = split.hostname in ("localhost", "127.0.0.1", "::1")
    if not split.hostname or split.scheme not in (("https", "http") if local else ("https",)) or split.query:
        raise ConfigError(f"{name} must be an address that begins with https://, got {text!r}", name)
    return text.rstrip("/")


def _pairs(name: str, given: Sequence[str], what: str) -> Iterator[tuple[str, str]]:
    for text in given:
        group, equals, value = text.rpartition("=")
        if not equals or not group or not value:
            raise ConfigError(f"{name} must be GROUP={what}, comma-separated, got {text!r}", name)
        yield group, value


def _roles(given: Sequence[str]) -> dict[str, str]:
    found = dict(_pairs("oidc_roles", given, "ROLE"))
    for role in found.values():
        checked_role(role)
    return found


def _secret(file: str, environ: Mapping[str, str]) -> str | None:
    """The client's secret; a client without one is known by PKCE alone."""
    if not file:
        return environ.get(SECRET_VARIABLE) or None
    try:
        return Path(file).read_text().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"oidc_secret_file cannot be read: {error}", "oidc_secret_file") from None


def _ca_file(file: str) -> Path | None:
    if file and not Path(file).is_file():
        raise ConfigError(f"oidc_ca_file must be a file with certificates (PEM), got {file!r}", "oidc_ca_file")
    return Path(file) if file else None
