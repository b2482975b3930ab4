"""Opens what `--studies` names as a datastore: a folder of images or DICOM files, or an archive's address.

A folder of DICOM files and the demo become an archive: the embedded store serves them for as long as the app runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from sam_infer.imaging.image_file import suffix_of
from sam_trainer.studies import Studies
from samlabel.dicom_store.process import StoreProcess, address_at, serves
from samlabel.errors import ArchiveError, ConfigError

DEMO = "demo"  # patients as DICOM, for OHIF
DEMO_FILES = "demo-files"  # patients as NIfTI and a photograph, for 3D Slicer and the command line
DEMO_DICOM_FOLDER, DEMO_FILES_FOLDER = "demo-dicom", "demo-files"  # in the home folder
DEMO_LABELS = ("liver", "spleen", "kidney_right", "kidney_left", "aorta", "vertebra")

# DICOM files carry these letters behind a preamble of 128 bytes; their names say nothing.
_MAGIC, _MAGIC_AT = b"DICM", 128
LOOKED_AT = 200

# The host keeps what it knows about an archive under its address, so a folder's store should keep its port.
FIRST_PORT, PORTS = 20_000, 20_000


@contextmanager
def opened(named: str, home: Path, share: bool = False) -> Iterator[Studies]:
    """A folder of images or an archive's address, for as long as the app runs.

    `share` takes the store of a server that serves the same DICOM files already: a command finds what the server keeps.
    """
    if (studies := Studies.of(named)).is_archive:
        yield studies
        return
    folder = _demo(named, home) if named in (DEMO, DEMO_FILES) else _folder(named)
    if not is_dicom_folder(folder):
        yield Studies.of(folder)
        return
    if share and serves(_usual_address(folder), folder):
        yield Studies.of(_usual_address(folder))
        return
    with _store(folder.resolve()) as store:
        yield Studies.of(store.url)


def identified(named: str, home: Path) -> Studies:
    """The studies by whose name everything about them is kept; nothing is started or made."""
    if named == DEMO:
        return Studies.of(_usual_address(home / DEMO_DICOM_FOLDER))
    if named == DEMO_FILES:
        return Studies.of(home / DEMO_FILES_FOLDER)
    if (studies := Studies.of(named)).is_archive:
        return studies
    folder = _folder(named)
    return Studies.of(_usual_address(folder) if is_dicom_folder(folder) else folder)


def usual_labels(named: str) -> tuple[str, ...]:
    """The label names of the demo as DICOM, which has no `dataset.json`."""
    return DEMO_LABELS if named == DEMO else ()


def _folder(named: str) -> Path:
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"there is no studies folder {named!r}; create it or use --studies demo", "studies")
    return folder


def is_dicom_folder(folder: Path) -> bool:
    """Whether a folder holds DICOM files and no images of other kinds at its top."""
    if any(path.is_file() and suffix_of(path) not in ("", ".dcm") for path in folder.iterdir()):
        return False
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return any(map(_is_dicom, islice(files, LOOKED_AT)))


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(_MAGIC_AT)
        return file.read(len(_MAGIC)) == _MAGIC


def _usual_port(folder: Path) -> int:
    digest = hashlib.blake2b(str(folder.resolve()).encode(), digest_size=4).digest()
    return FIRST_PORT + int.from_bytes(digest) % PORTS


def _usual_address(folder: Path) -> str:
    return address_at(_usual_port(folder))


def _store(folder: Path) -> StoreProcess:
    try:
        return StoreProcess(folder, _usual_port(folder))
    except ArchiveError:
        return StoreProcess(folder)


def _demo(which: str, home: Path) -> Path:
    from sam_trainer.synthetic.patients import demo_studies  # scipy and torch, only for the demo
    from samlabel.dicom.demo import demo_dicom

    return demo_dicom(home / DEMO_DICOM_FOLDER) if which == DEMO else demo_studies(home / DEMO_FILES_FOLDER)
