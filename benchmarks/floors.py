"""How near each thing a reader waits for is to its floor: the part of it that nobody could leave out.

    .venv/bin/python benchmarks/floors.py

Floors are measured beside what stands on them, in the same run: unpacking for reading, the network alone for an answer,
the encoder alone for 3D, the imports of torch for a start. CPU seconds of one thread, the least of some tries.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from isal import igzip, isal_zlib

from sam_infer.imaging.image_file import read_image
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import choose_window
from sam_infer.masks.encode import encode_nrrd
from sam_infer.models.load import load_network
from sam_infer.networks.backbone import Backbone, Hints
from sam_infer.networks.frame import whole
from sam_infer.networks.tiny.recorded import OFTEN, wait_for_recordings
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.propagation.engine import segment_object
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.slices.slice_stack import slice_stack
from sam_trainer.bench.latency import least_cpu
from sam_trainer.config import TrainConfig
from sam_trainer.provenance import require_clean
from sam_trainer.reports.record import Report, spelled
from sam_trainer.reports.table import Row
from sam_trainer.studies import Studies
from sam_trainer.synthetic.patients import demo_studies
from sam_trainer.training.forecast import forecast
from samlabel.offline.project import Offline
from samlabel.server_bench.scene import Scene, write_scenes

OUT = Path("benchmarks") / "results" / "floors.json"

# A start is the app's imports; the floor is what no server of networks starts without.
IMPORTS = """
from samlabel.host import settings
from samlabel.host.lazy_host import light_host
settings.apply()
with light_host():
    import uvicorn
    import samlabel.server.app
    import samlabel.server.asgi
"""
TORCH = "import torch, numpy, fastapi"

# What is trained here: a step of it, beside the encoder's forward pass of the same picture.
METHOD = "lora"


def row(what: str, seconds: float, floor: float, floor_is: str) -> Row:
    """One thing beside its floor."""
    share = round(seconds / floor, 2)
    return {
        "what": what,
        "ms": round(seconds * 1000, 1),
        "floor_ms": round(floor * 1000, 1),
        "share": share,
        "floor": floor_is,
    }


def imported(code: str) -> float:
    """CPU seconds of a process that imports something."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = os.times()
    if os.spawnve(os.P_WAIT, sys.executable, [sys.executable, "-c", code], environ):
        raise SystemExit(f"these imports fail: {code}")
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def start(tries: int) -> Row:
    """The app without its network."""
    ours, floor = (min(imported(code) for _ in range(tries)) for code in (IMPORTS, TORCH))
    return row("imports", ours, floor, "torch, numpy and fastapi imported")


def reading(path: Path, tries: int) -> Row:
    """A volume's first click pays for that."""
    packed = path.read_bytes()
    unpack = least_cpu(lambda: igzip.decompress(packed), tries)
    return row("read", least_cpu(lambda: read_image(path), tries), unpack, "the file unpacked")


def network(backbone: Backbone, volume: Volume, scene: Scene, folder: Path, tries: int) -> list[Row]:
    """What a network answers: on a new slice, on one that is known, in 3D, and a case's score."""
    middle = scene.middle
    places = np.array(scene.points(3, middle, 0))
    first, *others = (Prompts(2, places[:count], np.ones(count, np.int64)) for count in (1, 2, 3))
    unknown = iter([Predictor(backbone, EmbeddingCache()) for _ in range(tries)])
    seen = Predictor(backbone, EmbeddingCache()).predict(volume, first, middle)
    view = seen.view
    frame = backbone.frame(whole(view.height, view.width), view.pixel_mm)
    stack = slice_stack(volume, view, choose_window(volume), frame, backbone.depth)
    features = backbone.encode(stack)
    hints = Hints(np.full((1, 2), backbone.input_size / 2), np.ones(1, np.int64))
    for _ in range(OFTEN):  # as a server that somebody works with
        backbone.decode(backbone.encode(stack), hints)
    wait_for_recordings()
    encode, decode = (
        least_cpu(lambda: backbone.encode(stack), tries),
        least_cpu(lambda: backbone.decode(features, hints), tries),
    )
    new = least_cpu(lambda: next(unknown).predict(volume, first, middle), tries)
    again = min(
        following(Predictor(backbone, EmbeddingCache()), volume, [first, *others], middle) for _ in range(tries)
    )
    mask = seen.mask(volume)
    slice_bytes = mask.array[:, :, middle].tobytes(order="F")
    reply = least_cpu(lambda: encode_nrrd(mask, True), tries)
    packed = least_cpu(lambda: isal_zlib.compress(slice_bytes, 1), tries)
    return [
        row("new_slice", new, encode + decode, "one encode and one decode of the network"),
        row("next_click", again, decode, "one decode of the network"),
        row("reply", reply, packed, "the slice with the object packed"),
        *in_3d(backbone, volume, first, encode),
        scoring(folder, encode),
    ]


def following(predictor: Predictor, volume: Volume, clicks: list[Prompts], index: int) -> float:
    """CPU seconds of the last of some clicks on one object."""
    for clicked in clicks[:-1]:
        predictor.predict(volume, clicked, index)
    started = time.process_time()
    predictor.predict(volume, clicks[-1], index)
    return time.process_time() - started


def in_3d(backbone: Backbone, volume: Volume, prompts: Prompts, encode: float) -> list[Row]:
    """One object from one click, by slice, every one of which had to be encoded; and a correction of it far away."""
    predictor, started = Predictor(backbone, EmbeddingCache()), time.process_time()
    found = segment_object(predictor, volume, prompts)
    seconds = time.process_time() - started
    slices = np.flatnonzero(found.mask.array.any(axis=(0, 1)))
    place = np.array(prompts.points[0])
    place[2] = int(np.percentile(slices, 80))
    corrected = prompts.followed_by(place[None], np.zeros(1, np.int64))
    started = time.process_time()
    segment_object(predictor, volume, corrected)
    again = time.process_time() - started
    return [
        row("in_3d", seconds / len(slices), encode, f"an encode; {len(slices)} of {volume.geometry.shape[2]} slices"),
        row("correction", again, encode, f"an encode; a background click, {volume.geometry.shape[2]} slices"),
    ]


def scoring(folder: Path, encode: float) -> Row:
    """A case without a label scored, by slice that was encoded for it."""
    studies = demo_studies(folder)
    for label in sorted((studies / "labels" / "final").iterdir())[1:]:
        label.unlink()
    app = Offline(Studies.of(str(studies)))
    cache = app.serving.predictor.cache
    started, before = time.process_time(), cache.stats.encodes
    app.scoring(None).run(lambda: None, lambda: False, most=1)
    seconds, encodes = time.process_time() - started, max(1, cache.stats.encodes - before)
    app.serving.close()
    return row("scoring", seconds / encodes, encode, f"an encode; {encodes} slices")


def training(backbone: Backbone, tries: int) -> Row:
    """One step, as `train --explain` times it."""
    shape = (1, backbone.input_size, backbone.input_size, 3)
    picture = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    encode = least_cpu(lambda: backbone.encode(picture), tries)
    seconds = forecast(load_network("tiny"), TrainConfig(method=METHOD)).step_seconds
    pictures = TrainConfig(method=METHOD).images
    return row("step", seconds, 3 * pictures * encode, f"{pictures} pictures forth and back: 3 encodes")


def main() -> None:
    """Measure all, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=7, help="of which the cheapest counts")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--allow-changed", action="store_true", help="measure a source tree that no commit names")
    options = parser.parse_args()
    require_clean(options.allow_changed)
    torch.set_num_threads(1)
    started, backbone = time.time(), load_network("tiny").backbone()
    with tempfile.TemporaryDirectory(prefix="samlabel-floors-") as name:
        os.environ["SAMLABEL_HOME"] = str(Path(name) / "home")
        (scene,) = write_scenes(Path(name), 1)
        path = Path(name) / f"{scene.image}.nii.gz"
        rows = [start(min(3, options.tries)), reading(path, options.tries)]
        rows += network(backbone, read_image(path), scene, Path(name) / "demo", options.tries)
        rows.append(training(backbone, options.tries))
    Report(spelled("benchmarks/floors.py", {"tries": options.tries}), 0, rows, started).write(options.out)
    for one in rows:
        sys.stdout.write(f"{one['what']}: {one['ms']} ms, {one['share']} times its floor ({one['floor']})\n")


if __name__ == "__main__":
    main()
