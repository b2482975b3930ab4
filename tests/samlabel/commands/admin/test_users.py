"""`samlabel users`: accounts from the command line, without a terminal; and `serve`, which refuses to be open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from samlabel.commands.admin.projects import app as project_commands
from samlabel.commands.admin.users import app as user_commands
from samlabel.commands.cli import load
from samlabel.commands.serve import _require_logins
from samlabel.errors import ConfigError, NotFoundError
from samlabel.logins.accounts import Accounts
from tests.samlabel.people import PASSWORD, quick_hashes

PROVIDER = {"oidc_issuer": "https://login.hospital", "oidc_client": "samlabel", "oidc_roles": "it=admin"}
PROVIDER |= {"oidc_address": "https://samlabel.hospital"}
TWICE = f"{PASSWORD}\n{PASSWORD}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    quick_hashes(monkeypatch)
    monkeypatch.setenv("SAMLABEL_HOME", str(tmp_path))
    return tmp_path


def users(*words: str, typed: str = ""):
    return CliRunner().invoke(user_commands, list(words), input=typed)


def test_accounts_from_the_command_line(home: Path) -> None:
    assert users("add", "ada", "--role", "admin", typed=TWICE).stdout == "ada may log in as admin\n"
    assert users("add", "eva", typed=TWICE).exit_code == 0
    assert users("role", "eva", "reviewer").stdout == "eva is reviewer from now on\n"
    assert users("passwd", "eva", typed="another good one\n" * 2).exit_code == 0
    assert users("disable", "eva").exit_code == 0
    listed = users("list").stdout
    assert "ada" in listed and "reviewer" in listed and "disabled" in listed and "argon" not in listed
    assert users("disable", "eva", "--undo").exit_code == 0
    assert [account.disabled for account in Accounts(home / "logins").all()] == [False, False]


@pytest.mark.parametrize(
    ("words", "typed", "kind"),
    [
        (("add", "eva"), f"{PASSWORD}\nanother\n", ConfigError),
        (("add", "eva"), "short\nshort\n", ConfigError),
        (("add", "eva"), "", ConfigError),
        (("add", "e v a"), TWICE, ConfigError),
        (("add", "ada"), TWICE, ConfigError),
        (("passwd", "nobody"), TWICE, NotFoundError),
        (("role", "ada", "king"), "", ConfigError),
        (("role", "ada", "annotator"), "", ConfigError),  # the only administrator
    ],
)
def test_what_is_refused(home: Path, words: tuple[str, ...], typed: str, kind: type[Exception]) -> None:
    users("add", "ada", "--role", "admin", typed=TWICE)
    assert isinstance(users(*words, typed=typed).exception, kind)
    assert [account.name for account in Accounts(home / "logins").all()] == ["ada"]


def test_without_a_terminal_and_without_a_word_of_the_password(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "samlabel", "users", "add", "ada"],
        input=TWICE,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "SAMLABEL_HOME": str(tmp_path)},
    )
    assert done.stdout == "ada may log in as annotator\n" and PASSWORD not in done.stderr


@pytest.mark.parametrize(
    ("host", "conf", "realm", "refused"),
    [
        ("127.0.0.1", {}, "", False),
        ("localhost", {"logins": "false"}, "", False),
        ("0.0.0.0", {}, "", True),
        ("10.0.0.7", {}, "false", True),
        ("::", {"model": "tiny"}, "", True),
        ("0.0.0.0", {"logins": "true"}, "", False),
        ("0.0.0.0", {"logins": "false"}, "", False),
        ("0.0.0.0", {}, "true", False),
        ("0.0.0.0", PROVIDER, "", False),
    ],
)
def test_other_machines_come_in_by_a_login_or_by_name(
    host: str, conf: dict[str, str], realm: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONAI_LABEL_AUTH_ENABLE", realm)
    if refused:
        with pytest.raises(ConfigError, match="--set logins=true"):
            _require_logins(host, conf)
    else:
        _require_logins(host, conf)


def test_help_lists_the_roles() -> None:
    assert set(load("users").commands) == {"add", "list", "passwd", "role", "disable"}
    assert "annotator, reviewer, lead, admin" in users("add", "--help").stdout.replace("\n", " ").replace("  ", " ")


def projects(*words: str):
    return CliRunner().invoke(project_commands, list(words))


def test_projects_from_the_command_line(home: Path) -> None:
    users("add", "ada", "--role", "admin", typed=TWICE)
    assert projects("set", "liver", "--patient", "LIV-*", "--modality", "CT", "--label", "liver").exit_code == 0
    assert projects("assign", "ada", "liver").stdout == "ada is in liver\n"
    listed = projects("list").stdout
    assert "LIV-*" in listed and "ada" in listed
    assert isinstance(projects("assign", "ada", "gone").exception, NotFoundError)
    assert projects("remove", "liver").exit_code == 0 and "LIV" not in projects("list").stdout
    assert projects("assign", "ada").stdout == "ada is in no project\n"
    assert isinstance(projects("set", "all").exception, ConfigError)
