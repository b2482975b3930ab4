"""`samlabel serve`: the app, for OHIF and 3D Slicer."""

from __future__ import annotations

from typing import Annotated

import typer

from samlabel.host.lazy_host import light_host
from samlabel.server.launcher import ServeOptions, conf_of, is_loopback
from samlabel.server.launcher import serve as run
from samlabel.store.open import DEMO


def serve(  # noqa: PLR0913 - every parameter is an option of the command
    studies: Annotated[
        str, typer.Option(help="A folder of images or DICOM files, a DICOMweb address, `demo` or `demo-files`.")
    ] = DEMO,
    host: Annotated[str, typer.Option(help="Address to listen on; there is no login yet.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    model: Annotated[str, typer.Option(help="Which network answers; see `samlabel models list`.")] = "tiny",
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
    with light_host():
        from sam_infer.home import default_home  # imports torch, and the settings half of the trainer

        conf = {**_settings(setting or []), **conf_of(model=model, adapter=adapter, labels=labels)}
    typer.echo(f"starting samlabel on http://{host}:{port}/ (model {model}, studies {studies}); this takes a moment")
    if not is_loopback(host):
        typer.secho(f"{host} can be reached from other machines, and there is no login", fg="yellow", err=True)
    run(ServeOptions(studies, host, port, conf, verbose), default_home())


def _settings(given: list[str]) -> dict[str, str]:
    """Settings as typed, checked before anything is started."""
    from samlabel.config import AppConfig
    from samlabel.errors import ConfigError

    pairs = [text.partition("=") for text in given]
    for name, equals, _ in pairs:
        if not equals:
            raise ConfigError(f"--set takes NAME=VALUE, got {name!r}", name)
    settings = {name.strip(): value for name, _, value in pairs}
    AppConfig.of(settings)
    return settings
