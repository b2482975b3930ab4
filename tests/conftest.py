"""What many tests share: small phantoms, a deterministic network, an isolated home."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from multiprocessing.forkserver import _forkserver
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from xdist.scheduler import LoadScopeScheduling

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.networks.backbone import Candidates, Features, Hints, only_slice
from sam_infer.networks.frame import Crop, Frame, fit_longest
from sam_infer.weights.prompting import PLAIN
from sam_trainer.synthetic.patients import grid, l_shape, render, rotation
from tests.small_studies import write_small_studies


@pytest.fixture(autouse=True)
def isolated_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No test reads or writes the developer's own models, caches or adapters."""
    home = tmp_path / "samlabel-home"
    monkeypatch.setenv("SAMLABEL_HOME", str(home))
    yield home


@pytest.fixture(scope="session", autouse=True)
def no_copies_left() -> Iterator[None]:
    """What starts copies of processes ends with the tests, and what it cost is counted with theirs."""
    yield
    _forkserver._stop()


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small tensors on busy cores: threads that wait for each other cost twenty times the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training in this process in float32: a processor that does not know bfloat16 takes ten times as long with it."""
    mixed = torch.autocast

    def plain(kind: str, dtype: torch.dtype | None = None, enabled: bool = True) -> torch.autocast:
        return mixed(kind, dtype, enabled=False)

    monkeypatch.setattr(torch, "autocast", plain)


# What files share that takes longer than their tests: the host, monai and ITK's registration, half a minute to load;
# and a process that has imported what a training needs.
TOGETHER = {
    "tests/samlabel/commands/test_interrupt.py": "apart",
    "tests/samlabel/": "host",
    "tests/sam_infer/automatic/": "host",
    "tests/sam_infer/ask/test_seeded.py": "host",
    "tests/sam_trainer/bench/automatic/": "host",
    "tests/sam_trainer/bench/learning/": "host",
    "tests/sam_trainer/bench/test_volumes.py": "host",
    "tests/sam_trainer/labels/export/": "host",
    "tests/sam_trainer/measures/": "host",
    "tests/sam_trainer/training/": "apart",
    "tests/sam_trainer/pretraining/test_run.py": "apart",
    "tests/sam_trainer/labels/test_ledger.py": "apart",
    "tests/sam_infer/adapters/test_store.py": "apart",
    "tests/sam_infer/audit/test_trail.py": "apart",
}


class Together(LoadScopeScheduling):
    """Side by side, a file's tests stay in one process, as they share servers and trainings; some files do too."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return next((group for start, group in TOGETHER.items() if file.startswith(start)), file)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests live to the end: to look among them for what could be freed takes a fifth of their loading."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    return Together(config, log)


# Rooms whose tests ask whole servers, or run networks at length: `make check` leaves them to `make test`.
AT_LENGTH = (
    "sam_infer/ask",
    "sam_infer/automatic",
    "sam_infer/models",
    "sam_infer/networks",
    "sam_infer/propagation",
    "sam_trainer/active",
    "sam_trainer/bench",
    "sam_trainer/methods",
    "sam_trainer/pretraining",
    "sam_trainer/training",
    "samlabel/access",
    "samlabel/commands",
    "samlabel/dicom_store",
    "samlabel/loop",
    "samlabel/offline",
    "samlabel/routes",
    "samlabel/server",
    "samlabel/tasks",
    "accept",
    "client",
    "hostile",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out the rooms whose tests take long, unread")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not config.getoption("--quick"):
        return None
    return True if collection_path in {Path(__file__).parent / room for room in AT_LENGTH} else None


class BrightNetwork:
    """A network whose answer can be computed by hand: what is brighter than grey 150, near the hints.

    Candidates: everything bright, what lies within 12 model pixels of the first hint, nothing. A box keeps what is
    inside it. It counts its encodes.
    """

    name = "bright"
    weights_id = "bright-1"
    encoder_id = "bright-encoder-1"
    depth = 1
    input_size = 128
    low_res = 128
    prompting = PLAIN
    follows_masks = False

    def __init__(self) -> None:
        self.encodes = 0

    def frame(self, crop: Crop, pixel_mm: tuple[float, float]) -> Frame:
        return fit_longest(crop, pixel_mm, self.input_size, "centre")

    def encode(self, stack: np.ndarray) -> Features:
        self.encodes += 1
        pixels = only_slice(stack)
        padded = np.zeros((self.input_size, self.input_size), np.float32)
        padded[: pixels.shape[0], : pixels.shape[1]] = pixels[..., 0]
        return {"grey": torch.from_numpy(padded)[None]}

    def decode(self, features: Features, hints: Hints) -> Candidates:
        bright = (features["grey"][0].numpy() - 150.0) / 10.0
        near = np.full_like(bright, -10.0)
        y, x = np.mgrid[: self.low_res, : self.low_res]
        if hints.box_xyxy is not None:
            x0, y0, x1, y1 = hints.box_xyxy
            bright = np.where((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1), bright, -10.0)
        for px, py in hints.points_xy[:1]:
            near = np.where(np.hypot(x - px, y - py) < 12, bright, -10.0)
        logits = np.stack([bright, near, np.full_like(bright, -10.0)]).astype(np.float32)
        return Candidates(logits, np.array([0.9, 0.6, 0.1], np.float32), 0)

    def decode_clicks(self, features: Features, points_xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        answers = [self.decode(features, Hints(point[None], np.ones(1, np.int64))) for point in points_xy]
        return np.stack([one.logits for one in answers]), np.stack([one.scores for one in answers])


@pytest.fixture
def network() -> BrightNetwork:
    return BrightNetwork()


@pytest.fixture(scope="session")
def bright() -> type[BrightNetwork]:
    """For fixtures that live longer than a test."""
    return BrightNetwork


@pytest.fixture(scope="session")
def l_phantom() -> tuple[Volume, Mask]:
    """40 x 32 x 24 voxels of 0.8 x 1.1 x 3.0 mm, oblique, one asymmetric bright L."""
    geometry = grid((40, 32, 24), (0.8, 1.1, 3.0), rotation(12, -9, 17))
    return render(l_shape(), geometry, "CT", np.random.default_rng(5), noise=0.3)


@pytest.fixture(scope="session")
def plain_geometry() -> Geometry:
    """6 x 5 x 4 voxels of 1 x 2 x 3 mm in LPS order with the first voxel at LPS (10, 20, 30)."""
    affine = np.diag([-1.0, -2.0, 3.0, 1.0])
    affine[:3, 3] = (-10, -20, 30)
    return Geometry((6, 5, 4), affine)


@pytest.fixture(scope="session")
def small_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sources: `flat` (two PNG cases), `balls` (a volume), `stardist_nuclei` (outside the headline)."""
    return write_small_studies(tmp_path_factory.mktemp("studies"))
