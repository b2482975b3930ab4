"""Health checks of `samlabel doctor`: one function per question, each with the cure of its failure."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

MIN_FREE_GB = 2
MIN_PYTHON, MAX_PYTHON = (3, 11), (3, 12)
REQUEST_SECONDS = 10


@dataclass(frozen=True)
class Check:
    """One question: whether it is well, what was found, and what to do if not."""

    name: str
    ok: bool
    found: str
    cure: str = ""


def python() -> Check:
    """The interpreter."""
    here = sys.version_info[:2]
    found = ".".join(str(n) for n in sys.version_info[:3])
    return Check(
        "python", MIN_PYTHON <= here <= MAX_PYTHON, found, "use Python 3.11: the host imports modules that 3.13 lacks"
    )


def packages() -> list[Check]:
    """Every direct dependency in the version that is asked for."""
    from packaging.requirements import Requirement  # only the doctor needs it

    checks = []
    asked: dict[str, Requirement] = {}
    for text in requires("samlabel") or []:
        one = Requirement(text)
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue  # of an extra, or of another platform
        known = asked.setdefault(one.name.lower(), one)
        known.specifier &= one.specifier
    for wanted in asked.values():
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            checks.append(Check(wanted.name, False, "missing", "run `make setup`"))
            continue
        fits = wanted.specifier.contains(found, prereleases=True)
        checks.append(Check(wanted.name, fits, found, f"{wanted} is needed: run `make setup`"))
    return checks


def openvino() -> Check:
    """The runtime that nothing needs."""
    if find_spec("openvino") is None:
        return Check(
            "openvino",
            True,
            "not installed: SAM's encoders take twice as long (`make openvino`)",
        )
    return Check("openvino", True, f"{version('openvino')}: computes the encoders of SAM")


def torch_pair() -> Check:
    """torch and torchvision of one build: a CPU torch beside the index's torchvision fails at import."""
    try:
        import torch
        import torchvision
        from torchvision.ops import nms

        nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (ImportError, RuntimeError, OSError) as error:
        return Check("torch pair", False, str(error).splitlines()[0], "install torch and torchvision from one index")
    return Check("torch pair", True, f"torch {torch.__version__}, torchvision {torchvision.__version__}")


def gpu() -> Check:
    """A GPU is used when there is one; none is no failure."""
    import torch

    if not torch.cuda.is_available():
        return Check("gpu", True, f"none; {torch.get_num_threads()} CPU threads")
    try:
        torch.zeros(1, device="cuda")
    except RuntimeError as error:
        return Check(
            "gpu", False, str(error).splitlines()[0], "update the GPU's driver, or hide it with CUDA_VISIBLE_DEVICES="
        )
    return Check("gpu", True, torch.cuda.get_device_name())


def disk(home: Path) -> Check:
    """Room for models and embeddings, in a folder that can be written."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            free_gb = shutil.disk_usage(home).free / 1e9
    except OSError as error:
        return Check(
            "home folder", False, f"{home}: {error.strerror}", "set SAMLABEL_HOME to a folder that can be written"
        )
    cure = f"free some space or set SAMLABEL_HOME to a disk with {MIN_FREE_GB} GB"
    return Check("home folder", free_gb >= MIN_FREE_GB, f"{home}, {free_gb:.0f} GB free", cure)


def models(home: Path) -> list[Check]:
    """Every weight file, read and hashed."""
    from sam_infer.errors import ModelError
    from sam_infer.networks.tiny.backbone import verify_embedded
    from sam_infer.weights.available import EMBEDDED
    from sam_infer.weights.store import ModelStore

    store = ModelStore(home)
    checks = []
    for name in (EMBEDDED, *store.names()):
        embedded = name == EMBEDDED
        try:
            verify_embedded() if embedded else store.verify(name)
        except (ModelError, OSError) as error:
            cure = "install samlabel again" if embedded else f"`samlabel models add FILE --as {name}`"
            checks.append(Check(f"model {name}", False, str(error), cure))
        else:
            checks.append(Check(f"model {name}", True, "weights as recorded"))
    return checks


def adapters(home: Path) -> list[Check]:
    """The adapter that serves with each model: whole, and made for the weights that are here."""
    from sam_infer.adapters.store import AdapterStore
    from sam_infer.errors import SamError
    from sam_infer.models.load import load_network
    from sam_infer.weights.available import SHOWN_DIGITS

    checks = []
    for folder in sorted((home / "adapters").glob("*/")):
        store, name = AdapterStore(folder.name, home), None
        try:
            name = store.pointer().adapter
            if name is None:
                continue
            store.get(name).require_base(folder.name, load_network(folder.name, home).fingerprint.weights)
        except SamError as error:
            cure = f"run `samlabel adapters rollback --model {folder.name}`, or train again"
            checks.append(Check(f"adapter of {folder.name}", False, str(error), cure))
        else:
            checks.append(Check(f"adapter of {folder.name}", True, f"{str(name)[:SHOWN_DIGITS]} serves"))
    return checks


def studies(address: str) -> Check:
    """A studies folder with images, or an archive that answers."""
    from sam_infer.imaging.image_file import suffix_of
    from sam_trainer.studies import Studies
    from samlabel.store.open import DEMO, DEMO_FILES, is_dicom_folder

    if address in (DEMO, DEMO_FILES):
        return Check("studies", True, f"{address}: made when it is first served")
    if (named := Studies.of(address)).is_archive:
        return _archive(str(named))

    folder = Path(address).expanduser()
    if not folder.is_dir():
        return Check("studies", False, f"there is no folder {address}", "create it, or give --studies another folder")
    if is_dicom_folder(folder):
        return Check("studies", True, f"DICOM files in {folder}")
    images = [path for path in folder.iterdir() if suffix_of(path)]
    cure = "put images (.nii.gz, .nrrd, .png, ...) at the top of the folder"
    return Check("studies", bool(images), f"{len(images)} images in {folder}", cure)


def viewer() -> Check:
    """OHIF as it comes inside the host's package; `find_spec` finds it without importing the host."""
    spec = find_spec("monailabel")
    roots = [Path(place) for place in spec.submodule_search_locations or []] if spec else []
    page = next((r / "endpoints/static/ohif/index.html" for r in roots), None)
    ok = page is not None and page.is_file()
    return Check("OHIF", ok, "inside the host's package" if ok else "missing", "install monailabel from its wheel")


def orientation() -> Check:
    """Write and read an oblique label map in both formats: the same voxels at the same places."""
    import numpy as np

    from sam_infer.imaging.geometry import Geometry
    from sam_infer.imaging.image_file import read_mask, write_mask
    from sam_infer.imaging.volume import Mask
    from sam_infer.masks.encode import encode_nrrd

    cos, sin = np.cos(0.3), np.sin(0.3)
    affine = np.diag([-0.8, -1.1, 3.0, 1.0])
    affine[:3, :3] = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ affine[:3, :3]
    affine[:3, 3] = (12.0, -7.0, 30.0)
    array = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    mask = Mask(np.asfortranarray(array), Geometry((4, 5, 6), affine))
    with tempfile.TemporaryDirectory(prefix="samlabel-") as folder:
        nifti = write_mask(mask, Path(folder) / "a.nii.gz")
        reply = Path(folder) / "b.nrrd"
        reply.write_bytes(encode_nrrd(mask, compress=True))
        same = [
            np.array_equal(back.array, mask.array) and back.geometry.same_as(mask.geometry)
            for back in (read_mask(nifti), read_mask(reply))
        ]
    found = "voxels and places survive .nii.gz and .nrrd" if all(same) else "label maps come back elsewhere"
    return Check("orientation", all(same), found, "itk is not the version in requirements.lock: run `make setup`")


def _archive(address: str) -> Check:
    import os

    import requests

    user, password = os.environ.get("MONAI_LABEL_DICOMWEB_USERNAME"), os.environ.get("MONAI_LABEL_DICOMWEB_PASSWORD")
    login = (user, password) if user and password else None
    try:
        reply = requests.get(
            f"{address}/studies",
            params={"limit": "1"},
            auth=login,
            timeout=REQUEST_SECONDS,
            headers={"accept": "application/dicom+json"},
        )
    except requests.RequestException as error:
        return Check(
            "studies", False, f"{address}: {type(error).__name__}", "check the address and that the archive runs"
        )
    if reply.status_code in (401, 403):
        cure = "set MONAI_LABEL_DICOMWEB_USERNAME and MONAI_LABEL_DICOMWEB_PASSWORD"
        return Check("studies", False, f"{address}: login refused", cure)
    ok = reply.status_code in (200, 204)
    return Check(
        "studies", ok, f"{address}: status {reply.status_code}", "give the DICOMweb root, such as .../dicom-web"
    )
