"""`samlabel serve`: the app, for OHIF and 3D Slicer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated

import typer

from sam_infer.adapters.ids import added_ids, found_id
from sam_infer.home import default_home
from sam_infer.weights.available import require_added
from samlabel.commands.cli import STUDIES
from samlabel.config import AUTO_MODEL, TRUE, AppConfig
from samlabel.errors import ConfigError
from samlabel.oidc.settings import OidcSettings
from samlabel.server.launcher import ServeOptions, conf_of, is_loopback
from samlabel.server.launcher import serve as run
from samlabel.store.open import DEMO, identified


def serve(  # noqa: PLR0913 - every parameter is an option of the command
    studies: Annotated[str, typer.Option(help=STUDIES)] = DEMO,
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that other machines reach needs --set logins=true.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    model: Annotated[
        str, typer.Option(help="Which network answers; see `samlabel models list`; auto: per label.")
    ] = "tiny",
    adapter: Annotated[str, typer.Option(help="latest, none, or an adapter's id.")] = "latest",
    labels: Annotated[
        str | None, typer.Option(help="Label names, comma-separated; default: those of the studies' dataset.json.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other setting, e.g. gate_margin=0.01; may be repeated."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every request.")] = False,
) -> None:
    """Serve a studies folder or a DICOMweb archive to OHIF and 3D Slicer; other machines are kept out by default."""
    home = default_home()
    conf = {**_settings(setting or []), **conf_of(model=model, adapter=adapter, labels=labels)}
    AppConfig.of(conf)  # checked before anything is started
    if model != AUTO_MODEL:
        require_added(model, home)
    if adapter not in ("latest", "none"):
        found_id(model, added_ids(model, home), adapter)
    identified(studies, home)
    _require_logins(host, conf)
    typer.echo(f"starting samlabel on http://{host}:{port}/ (model {model}, studies {studies}); this takes a moment")
    run(ServeOptions(studies, host, port, conf, verbose), home, typer.echo)


def _require_logins(host: str, conf: Mapping[str, str]) -> None:
    """Other machines come in only where everybody logs in, or where somebody said by name that nobody does."""
    realm = os.environ.get("MONAI_LABEL_AUTH_ENABLE", "").lower() in TRUE
    config = AppConfig.of(conf)
    if is_loopback(host) or realm or config.logins or OidcSettings.of(config) is not None:
        return
    if "logins" not in conf:
        raise ConfigError(
            f"{host} can be reached from other machines, and logins are off: add --set logins=true (docs/security.md), "
            "or --set logins=false to let everybody in who reaches it",
            "logins",
        )
    typer.secho(f"{host} can be reached from other machines, and nobody has to log in", fg="yellow", err=True)


def _settings(given: list[str]) -> dict[str, str]:
    """Settings as typed."""
    pairs = [text.partition("=") for text in given]
    for name, equals, _ in pairs:
        if not equals:
            raise ConfigError(f"--set takes NAME=VALUE, got {name!r}", name)
    return {name.strip(): value for name, _, value in pairs}
