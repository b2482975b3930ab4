"""OHIF viewers that a user added: the package `@ohif/app` as npm packs it, checked and unpacked, one of them served.

    HOME/viewer/served              the version that is served; without it the viewer inside monailabel's wheel
    HOME/viewer/VERSION/dist        what the package holds, as it is
    HOME/viewer/VERSION/added.json  version, hashes and size of the file that it came from

A viewer is there whole or not at all: it is unpacked beside its place and moved there in one step. What is inside is
somebody else's program, so nothing of it is run or believed: only plain files below `package/` are taken.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sam_infer.files import write_whole
from sam_infer.home import default_home
from samlabel.errors import ViewerError

PACKAGE = "@ohif/app"
BUILTIN = "builtin"

# What makes a package a viewer.
NEEDED = ("dist/index.html", "dist/app-config.js")

# OHIF 3.13 is 50 MB packed, 213 MB and 250 files unpacked; more than these is no viewer.
MOST_PACKED, MOST_UNPACKED, MOST_FILES = 512 << 20, 2 << 30, 20_000

# The sha512 of versions that were tried with this server, as the registry of npm states them.
TRIED = {"3.13.2": "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="}

_VERSION = re.compile(r"\d{1,5}\.\d{1,5}\.\d{1,5}(-[0-9A-Za-z][0-9A-Za-z.-]{0,40})?")

PIECE = 1 << 20


@dataclass(frozen=True)
class InstalledViewer:
    """A viewer that was added, and the file that it came from."""

    version: str
    integrity: str  # sha512 of the file as npm writes it
    shasum: str  # sha1 of the file, hex, as older lock files have it
    files: int
    unpacked_bytes: int

    @property
    def is_tried(self) -> bool:
        """Whether it is, byte for byte, a version that this server was tried with."""
        return TRIED.get(self.version) == self.integrity


class ViewerStore:
    """The viewers below a user's home; several processes may use it, a reader sees each step done or not begun."""

    def __init__(self, home: Path | None = None) -> None:
        self.folder = (home or default_home()) / "viewer"

    def viewers(self) -> list[InstalledViewer]:
        """Those that are there, by version."""
        records = [path / "added.json" for path in self.folder.glob("*") if _VERSION.fullmatch(path.name)]
        found = [InstalledViewer(**json.loads(record.read_text())) for record in records if record.is_file()]
        return sorted(found, key=lambda viewer: [int(part) for part in re.findall(r"\d+", viewer.version)])

    def served(self) -> str:
        """The version that is served, or `builtin`."""
        pointer = self.folder / "served"
        version = pointer.read_text().strip() if pointer.is_file() else BUILTIN
        usable = _VERSION.fullmatch(version) and (self.folder / version / NEEDED[0]).is_file()
        return version if usable else BUILTIN

    def dist(self) -> Path | None:
        """The folder that is served; None is the one inside monailabel's wheel."""
        version = self.served()
        return None if version == BUILTIN else self.folder / version / "dist"

    def use(self, version: str) -> None:
        """Serve this version, or `builtin`, from the next request on."""
        known = [BUILTIN, *(viewer.version for viewer in self.viewers())]
        if version not in known:
            raise ViewerError(f"there is no viewer {version!r}; choose from {', '.join(known)}", "version")
        write_whole(self.folder / "served", f"{version}\n")

    def add(self, file: Path, integrity: str | None = None) -> InstalledViewer:
        """Check a package, unpack it and serve it; `integrity` is what its hash must be, as npm or a lock file says."""
        if file.stat().st_size > MOST_PACKED:
            raise ViewerError(f"{file.name} is larger than the {MOST_PACKED >> 20} MB that a viewer may have", "file")
        sha512, sha1 = hashes(file)
        if integrity is not None and integrity.strip() not in (sha512, sha1):
            raise ViewerError(f"{file.name} is another file than expected: it has {sha512} (sha1 {sha1})", "integrity")
        with self._unpacked(file) as (staged, files, size):
            version = _version_of(staged)
            if version in TRIED and TRIED[version] != sha512:
                raise ViewerError(f"{file.name} says that it is {PACKAGE} {version}, and is not: {sha512}", "file")
            added = InstalledViewer(version, sha512, sha1, files, size)
            if not self._known(added):
                (staged / "added.json").write_text(json.dumps(asdict(added), indent=1))
                staged.rename(self.folder / version)
        self.use(version)
        return added

    def _known(self, added: InstalledViewer) -> bool:
        """Whether this very file was added before; another one of the same version is refused."""
        place = self.folder / added.version
        if not place.exists():
            return False
        if added not in self.viewers():
            raise ViewerError(
                f"another file of version {added.version} was added before: delete {place} to replace it", "file"
            )
        return True

    @contextmanager
    def _unpacked(self, file: Path) -> Iterator[tuple[Path, int, int]]:
        """The package's files in a folder beside their place, their number and size; gone if nobody moved it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=".adding-", dir=self.folder))
        try:
            staged.chmod(0o755)
            yield (staged, *_unpack(file, staged))
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def served_viewer(home: Path | None = None) -> Path | None:
    """The folder of the viewer that is served (with `index.html` in it); None is the one inside monailabel's wheel.

    Asked at every request: `samlabel viewer use` needs no restart.
    """
    return ViewerStore(home).dist()


def hashes(file: Path) -> tuple[str, str]:
    """The sha512 of a file as npm writes it, and its sha1 in hex."""
    sha512, sha1 = hashlib.sha512(), hashlib.sha1(usedforsecurity=False)
    with file.open("rb") as stream:
        while piece := stream.read(PIECE):
            sha512.update(piece)
            sha1.update(piece)
    return f"sha512-{base64.b64encode(sha512.digest()).decode()}", sha1.hexdigest()


class _Bounded:
    """A stream that ends with a refusal when it grows too long: few bytes may unpack to very many."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._left = MOST_UNPACKED

    def read(self, size: int) -> bytes:
        piece = self._stream.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise ViewerError(f"the package unpacks to more than {MOST_UNPACKED >> 20} MB: no viewer does", "file")
        return piece


def _unpack(file: Path, folder: Path) -> tuple[int, int]:
    """The package's files below a folder; their number and size."""
    files = size = 0
    try:
        with gzip.open(file) as stream, tarfile.open(fileobj=_bounded(stream), mode="r|") as tar:
            for member in tar:
                place = _place(member)
                if place is None:
                    continue
                files, size = files + 1, size + member.size
                if files > MOST_FILES or size > MOST_UNPACKED:
                    limits = f"{MOST_FILES} files or {MOST_UNPACKED >> 20} MB"
                    raise ViewerError(f"the package holds more than {limits}: no viewer does", "file")
                _write(tar, member, folder / place)
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, FileExistsError):
            raise  # of the disk, not of the package
        raise ViewerError(f"{file.name} is no package as npm packs it: {error}", "file") from None
    return files, size


def _bounded(stream: gzip.GzipFile) -> Any:
    """As `tarfile` wants it: its types ask for more than it uses."""
    return _Bounded(stream)


def _place(member: tarfile.TarInfo) -> PurePosixPath | None:
    """Where a member belongs; None for a folder. Links, devices and paths that leave the package are refused."""
    path, shown = PurePosixPath(member.name), repr(member.name)[:80]
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise ViewerError(f"the package holds {shown}, which is no plain file: no package of npm does", "file")
    unsafe = path.is_absolute() or ".." in path.parts or "\\" in member.name or not member.name.isprintable()
    if unsafe or path.parts[:1] != ("package",):
        raise ViewerError(f"the package holds {shown}, which lies outside of it", "file")
    return PurePosixPath(*path.parts[1:]) if member.isreg() else None


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise tarfile.TarError(f"{member.name} has no content")
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as target:
        shutil.copyfileobj(source, target, PIECE)


def _version_of(folder: Path) -> str:
    """The version of an unpacked package, which must be a viewer."""
    try:
        facts = json.loads((folder / "package.json").read_text())
        name, version = str(facts["name"]), str(facts["version"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ViewerError("the package has no package.json with name and version", "file") from None
    if name != PACKAGE:
        raise ViewerError(f"the package is {name[:60]!r}, expected {PACKAGE!r}: `npm pack {PACKAGE}` gets it", "file")
    if not _VERSION.fullmatch(version):
        raise ViewerError(f"the package's version {version[:60]!r} is none", "file")
    missing = next((path for path in NEEDED if not (folder / path).is_file()), None)
    if missing is not None:
        raise ViewerError(f"the package has no {missing}: it is no viewer that was built", "file")
    return version
