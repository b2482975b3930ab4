"""Settings of logins by a provider: incomplete or unsafe ones are refused before a server starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from samlabel.config import AppConfig
from samlabel.errors import ConfigError
from samlabel.oidc.settings import SECRET_VARIABLE, OidcSettings

GOOD = {
    "oidc_issuer": "https://login.hospital/realms/a/",
    "oidc_client": "samlabel",
    "oidc_address": "https://samlabel.hospital",
    "oidc_roles": "radiology=annotator,it=admin",
}


def test_without_an_issuer_there_is_no_provider() -> None:
    assert OidcSettings.of(AppConfig()) is None


def test_settings_as_they_are_given(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3\n")
    found = OidcSettings.of(AppConfig.of({**GOOD, "oidc_secret_file": str(secret)}))
    assert found is not None and found.issuer == "https://login.hospital/realms/a" and found.secret == "s3"
    assert found.role_of(["it", "radiology"]) == "admin" and "s3" not in repr(found)
    named = OidcSettings.of(AppConfig.of(GOOD), {SECRET_VARIABLE: "s4"})
    assert named is not None and named.secret == "s4"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"oidc_issuer": "http://login.hospital"}, "oidc_issuer must be an address that begins with https"),
        ({"oidc_address": "samlabel.hospital"}, "oidc_address must be an address"),
        ({"oidc_roles": "radiology=king"}, "role must be one of"),
        ({"oidc_projects": "liver="}, "GROUP=PROJECT"),
        ({"oidc_roles": "radiology"}, "GROUP=ROLE"),
        ({"oidc_secret_file": "nowhere"}, "oidc_secret_file cannot be read"),
        ({"oidc_ca_file": "nowhere"}, "oidc_ca_file must be a file"),
    ],
)
def test_what_cannot_be_used(change: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        OidcSettings.of(AppConfig.of({**GOOD, **change}))


@pytest.mark.parametrize("missing", ["oidc_client", "oidc_address", "oidc_roles"])
def test_what_is_missing(missing: str) -> None:
    given = {name: value for name, value in GOOD.items() if name != missing}
    with pytest.raises(ConfigError, match=f"{missing} is needed too"):
        OidcSettings.of(AppConfig.of(given))
