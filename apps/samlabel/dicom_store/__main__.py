"""`python -m samlabel.dicom_store FOLDER --port 8042`: serve a folder of DICOM files to this machine."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from samlabel.dicom_store.process import LOOPBACK, end_with_parent
from samlabel.dicom_store.service import create_app


def main(
    folder: Annotated[Path, typer.Argument(help="Folder with DICOM files; uploads are kept in it too.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=0, max=65535)] = 8042,
    descriptor: Annotated[int | None, typer.Option(help="A listening socket passed on by the parent.")] = None,
) -> None:
    """Serve a folder of DICOM files over DICOMweb, to this machine only."""
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is no folder")
    config = uvicorn.Config(create_app(folder.resolve()), host=LOOPBACK, port=port, log_level="warning")
    if descriptor is None:
        uvicorn.Server(config).run()
        return
    threading.Thread(target=end_with_parent, daemon=True).start()
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    typer.run(main)
