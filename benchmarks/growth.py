"""How costs grow: with slices, pixels, readers, accepted labels and cases. A straight line on a log-log plot each.

    .venv/bin/python benchmarks/growth.py

Costs are CPU seconds of one thread, the least of some tries, so that other work hardly counts; with readers it is the
time that 95 % of the clicks of a crowd without pauses stay below. An exponent of 1 is proportional, 0 is no growth.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import read_image, write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.masks.encode import encode_nrrd
from sam_infer.models.load import load_backbone
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.propagation.engine import segment_object
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.active.offer import Wish
from sam_trainer.bench.latency import least_cpu
from sam_trainer.labels.ledger import Ledger
from sam_trainer.provenance import require_clean
from sam_trainer.reports.record import Report, spelled
from sam_trainer.reports.table import Row
from sam_trainer.studies import Studies
from samlabel.offline.project import Offline
from samlabel.server_bench.ours import launch
from samlabel.server_bench.paired import crowd
from samlabel.server_bench.scene import write_scenes
from samlabel.server_bench.server_process import Running

OUT = Path("benchmarks") / "results" / "growth.json"

SLICES, PIXELS = (32, 64, 128, 256), (128, 256, 512, 1024)
READERS, LABELS, CASES = (1, 2, 4, 8, 16), (125, 500, 2000), (125, 500, 2000)

# Kept small where something else grows.
FEW_SLICES, FEW_PIXELS, VOLUMES = 16, 192, 4


def rows_of(what: str, by: str, seen: list[tuple[int, float]]) -> Iterator[Row]:
    """The costs, and the slope of their line."""
    for size, cost in seen:
        yield {"what": what, "by": by, "size": size, "ms": round(cost * 1000, 2)}
    sizes, costs = np.log(np.array(seen, np.float64).T)
    exponent = round(float(np.polyfit(sizes, costs, 1)[0]), 3)
    yield {"what": what, "by": by, "size": "exponent", "exponent": exponent}


def grown(by: str, sizes: tuple[int, ...], costs_at: Callable[[int], dict[str, float]]) -> Iterator[Row]:
    """Every cost at every size."""
    seen: dict[str, list[tuple[int, float]]] = {}
    for size in sizes:
        sys.stderr.write(f"{by}: {size}\n")
        for what, cost in costs_at(size).items():
            seen.setdefault(what, []).append((size, cost))
    for what, found in seen.items():
        yield from rows_of(what, by, found)


def clicked(folder: Path, shape: tuple[int, int, int], tries: int, in_3d: bool) -> dict[str, float]:
    """Clicks in a volume of some shape."""
    backbone = load_backbone("tiny")
    (scene,) = write_scenes(folder, 1, shape, f"{shape[0]}x{shape[2]}-")
    path, middle = folder / f"{scene.image}.nii.gz", scene.middle
    places = np.array(scene.points(tries + 2, middle, 0))
    first, *clicks = (Prompts(2, places[:count], np.ones(count, np.int64)) for count in range(1, tries + 3))
    volume = read_image(path)
    costs = {"read": least_cpu(lambda: read_image(path), tries)}
    unknown = iter([Predictor(backbone, EmbeddingCache()) for _ in range(tries)])
    costs["new_slice"] = least_cpu(lambda: next(unknown).predict(volume, first, middle), tries)
    known, following = Predictor(backbone, EmbeddingCache()), iter(clicks)
    mask = known.predict(volume, first, middle).mask(volume)
    known.predict(volume, next(following), middle)  # looks closer from here on
    costs["next_click"] = least_cpu(lambda: known.predict(volume, next(following), middle), tries)
    costs["reply"] = least_cpu(lambda: encode_nrrd(mask, True), tries)
    if in_3d:
        costs["in_3d"] = least_cpu(lambda: segment_object(Predictor(backbone, EmbeddingCache()), volume, first), 2)
    return costs


def crowded(server: Running, folder: Path, count: int, seconds: float) -> dict[str, float]:
    """Clicks of readers who never pause, on one server; all slices are encoded before."""
    scenes = write_scenes(folder, VOLUMES, (256, 256, 32))
    crowd(server.port, scenes, VOLUMES, 1.0)
    return {"crowd": float(np.percentile(crowd(server.port, scenes, count, seconds), 95)) / 1000}


def accepted(folder: Path, size: int, tries: int) -> dict[str, float]:
    """Accepting one more label, and reading all that count."""
    ledger, file = Ledger(folder / str(size) / "ledger" / "key"), folder / "label.nii.gz"
    for number in range(size):
        _write_label(file, number)
        ledger.accept(f"case{number}", file, {"labels": {"1": "organ"}, "reader": "bench"})
    _write_label(file, size)
    numbers = iter(range(tries))
    accept = least_cpu(lambda: ledger.accept(f"new{next(numbers)}", file, {}), tries)
    return {"accept": accept, "standing": least_cpu(ledger.standing, tries)}


def opened(folder: Path, size: int, tries: int) -> dict[str, float]:
    """Opening studies, and choosing the next case."""
    studies = folder / str(size)
    _write_image(studies / "case0.nii.gz")
    for number in range(1, size):
        os.link(studies / "case0.nii.gz", studies / f"case{number}.nii.gz")
    apps = [Offline(Studies.of(str(studies))) for _ in range(tries)]
    again, seeds = iter(apps), iter(range(tries))

    def choose() -> object:
        return apps[0].selection.next(Wish("random", "bench", next(seeds)), set(apps[0].store.get_unlabeled_images()))

    opening = least_cpu(lambda: next(again).store.list_images(), tries)
    return {"open": opening, "next_case": least_cpu(choose, tries)}


def _write_image(path: Path) -> None:
    write_image(Volume(np.zeros((8, 8, 1), np.int16, order="F"), Geometry((8, 8, 1), np.eye(4)), "CT"), path)


def _write_label(path: Path, number: int) -> None:
    array = np.zeros((64, 64, 1), np.uint8, order="F")
    array.ravel(order="K")[number] = 1
    write_mask(Mask(array, Geometry(array.shape, np.eye(4))), path)


def main() -> None:
    """Measure all, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=5, help="of which the cheapest counts")
    parser.add_argument("--seconds", type=float, default=6.0, help="that a crowd of readers clicks")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--allow-changed", action="store_true", help="measure a source tree that no commit names")
    options = parser.parse_args()
    require_clean(options.allow_changed)
    torch.set_num_threads(1)
    started, rows = time.time(), list[Row]()
    with tempfile.TemporaryDirectory(prefix="samlabel-growth-") as name:
        folder = Path(name)
        os.environ["SAMLABEL_HOME"] = str(folder / "home")
        rows += grown("slices", SLICES, lambda n: clicked(folder, (FEW_PIXELS, FEW_PIXELS, n), options.tries, True))
        rows += grown("pixels", PIXELS, lambda n: clicked(folder, (n, n, FEW_SLICES), options.tries, False))
        write_scenes(folder / "studies", VOLUMES, (256, 256, 32))
        with Running(launch(folder / "server", folder / "studies", "tiny", 1)) as server:
            rows += grown("readers", READERS, lambda n: crowded(server, folder / "studies", n, options.seconds))
        rows += grown("labels", LABELS, lambda n: accepted(folder / "ledgers", n, options.tries))
        rows += grown("cases", CASES, lambda n: opened(folder / "cases", n, options.tries))
    told = {name: value for name, value in vars(options).items() if name not in ("out", "allow_changed")}
    Report(spelled("benchmarks/growth.py", told), 0, rows, started).write(options.out)
    for row in (row for row in rows if row["size"] == "exponent"):
        sys.stdout.write(f"{row['what']} by {row['by']}: exponent {row['exponent']}\n")


if __name__ == "__main__":
    main()
