"""Server launcher: the host's web server around our app, closed to other machines by default.

What the host's own command line does differently: it listens on every interface, writes into the app's folder, creates
a studies folder out of a typing mistake, and needs the internet for a DICOMweb archive.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from sam_trainer.studies import Studies
from samlabel.errors import ConfigError
from samlabel.host import settings as host_settings
from samlabel.host.lazy_host import light_host
from samlabel.host.logs import log_config
from samlabel.store.open import DEMO, DEMO_LABELS, opened

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

MAIN = '"""What the host loads; written by `samlabel serve`."""\n\nfrom samlabel.server.app import SamApp as SamApp\n'


@dataclass(frozen=True)
class ServeOptions:
    """What is served, where, and how."""

    studies: str
    host: str = "127.0.0.1"
    port: int = 8000
    conf: dict[str, str] = field(default_factory=dict)  # see samlabel.config
    verbose: bool = False


def serve(options: ServeOptions, home: Path, say: Callable[[str], object] = lambda sentence: None) -> None:
    """Run until interrupted; `say` hears what is being done until the server listens."""
    require_free_port(options.host, options.port)
    say("opening the studies; the demo is made at its first start")
    with opened(options.studies, home) as studies:
        app_dir = prepare_app_dir(home)
        prepare_environment(options, studies, app_dir, os.environ)
        say("loading MONAI Label and the network")
        # After the environment: the host reads it when it is imported.
        with light_host():
            import uvicorn

            from samlabel.server.app import SamApp  # noqa: F401 - the host loads it later, from a file
            from samlabel.server.asgi import app, first_link

        link = first_link()
        if link is not None:
            say(f"the first administrator makes an account here, once: http://{options.host}:{options.port}{link}")
        uvicorn.run(
            app,
            host=options.host,
            port=options.port,
            log_config=log_config(app_dir / "logs" / "app.log", options.verbose),
            timeout_graceful_shutdown=5,
            # The host's web server would believe any program of this machine; the setting `proxies` says whom we do.
            proxy_headers=False,
        )


def require_free_port(host: str, port: int) -> None:
    """Say that a port is taken before half a minute of imports."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}:{port} ({error.strerror}): stop the server that runs there or choose "
                "another --port",
                "port",
            ) from None


def prepare_app_dir(home: Path) -> Path:
    """The per-user folder that the host loads the app from and writes its logs to."""
    app_dir = home / "app"
    for name in ("model", "logs", "bin"):
        (app_dir / name).mkdir(parents=True, exist_ok=True)
    main = app_dir / "main.py"
    if not main.exists() or main.read_text() != MAIN:
        main.write_text(MAIN)
    return app_dir


def prepare_environment(
    options: ServeOptions, studies: Studies, app_dir: Path, environ: MutableMapping[str, str]
) -> None:
    """Everything the host and its sub-processes read."""
    host_settings.apply(environ)
    conf = dict(options.conf)
    if options.studies == DEMO:
        conf.setdefault("labels", ",".join(DEMO_LABELS))
    environ.update(
        MONAI_LABEL_APP_DIR=str(app_dir),
        MONAI_LABEL_STUDIES=str(studies),
        MONAI_LABEL_APP_CONF=json.dumps(conf),
        MONAI_LABEL_SERVER_PORT=str(options.port),
    )
    # Downloaded series and uploads stay with everything else of this user, not in the host's own cache folder.
    environ.setdefault("MONAI_LABEL_DICOMWEB_CACHE_PATH", str(app_dir.parent / "dicom"))
    environ.setdefault("MONAI_LABEL_SESSION_PATH", str(app_dir.parent / "sessions"))
    # Nobody else's pages; without a list the host would announce that everybody's may come.
    environ.setdefault("MONAI_LABEL_CORS_ORIGINS", json.dumps([f"http://{options.host}:{options.port}"]))
    if is_loopback(options.host):
        environ.setdefault("SAMLABEL_HOSTS", ",".join(LOOPBACK_NAMES))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def conf_of(**options: object) -> dict[str, str]:
    """Settings of the app from options, without those nobody gave."""
    return {name: str(value) for name, value in options.items() if value is not None}
