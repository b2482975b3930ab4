"""Latency and memory bench: encode, decode, first and next click, cold start.

`encode` and `decode` time the network alone. The click phases time the whole predictor as the server calls it:
`first_click` on a slice nobody has seen, `next_click` on the same object, `box` there, `other_slice` again unseen.
`cold_start` and `memory` come from fresh processes that import, load the weights and answer clicks, nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from sam_infer.errors import SamError
from sam_infer.imaging.image_file import read_image
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import choose_window
from sam_infer.networks.backbone import Backbone, Hints
from sam_infer.networks.frame import whole
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.slices.slice_stack import slice_stack
from sam_trainer.labels.cases import Subject, Target
from sam_trainer.reports.table import Row
from sam_trainer.simulation.prompt_styles import Drawn, foreground_points, tight_box

Result = TypeVar("Result")

# Fresh processes started to measure a cold start: each takes seconds.
COLD_STARTS = 3

SERVER = "in_process"  # no HTTP in between; the server's own figures come from its own bench


@dataclass(frozen=True)
class Probe:
    """What `footprint` reports about a fresh process."""

    seconds_to_answer: float
    peak_bytes: int
    resident_bytes: int


def least_cpu(work: Callable[[], object], tries: int) -> float:
    """CPU seconds of the cheapest of some tries: other work on the machine hardly counts."""
    found = []
    for _ in range(tries):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def measure(backbone: Backbone, subjects: Iterable[Subject], repeats: int) -> list[Row]:
    """Median and 95th percentile per phase; `repeats` slices (or as many objects as there are)."""
    times: dict[str, list[float]] = {}
    images = [(read_image(subject.case.image), subject.targets) for subject in subjects]
    pairs = [(volume, target) for volume, targets in images for target in targets]
    if not pairs:
        raise SamError("there is no object to measure on", "studies")
    _network(backbone, *pairs[0], {})  # the first call of a process pays for allocations
    for n in range(repeats):
        volume, target = pairs[n % len(pairs)]
        _network(backbone, volume, target, times)
        _clicks(backbone, volume, target, times)
    return [_row(backbone.name, phase, seconds) for phase, seconds in times.items()]


def fresh_process(model: str, starts: int = COLD_STARTS) -> list[Row]:
    """Cold start and memory of processes that do nothing but predict."""
    probes = [_probe(model) for _ in range(starts)]
    cold = _row(model, "cold_start", [probe.seconds_to_answer for probe in probes])
    peak = max(probe.peak_bytes for probe in probes)
    resident = max(probe.resident_bytes for probe in probes)
    memory = {"server": SERVER, "model": model, "phase": "memory", "clients": 1, "n": len(probes)}
    return [cold, {**memory, "bytes": resident, "peak_bytes": peak}]


def _network(backbone: Backbone, volume: Volume, target: Target, times: dict[str, list[float]]) -> None:
    """Encode and decode of one whole slice, without anything around them."""
    view = target.view
    frame = backbone.frame(whole(view.height, view.width), view.pixel_mm)
    stack = slice_stack(volume, view, choose_window(volume), frame, backbone.depth)
    features = _timed(times, "encode", lambda: backbone.encode(stack))
    points = frame.points_to_model(foreground_points(target.mask, 1).astype(float))
    hints = Hints(points, np.ones(len(points), np.int64))
    _timed(times, "decode", lambda: backbone.decode(features, hints))


def _clicks(backbone: Backbone, volume: Volume, target: Target, times: dict[str, list[float]]) -> None:
    """The phases of a reader's visit to two slices."""
    predictor = Predictor(backbone, EmbeddingCache())
    view, none = target.view, np.zeros((0, 2), np.int64)
    points = foreground_points(target.mask, 3)
    wishes = {
        "first_click": Drawn(points[:1], none),
        "next_click": Drawn(points[:2], none),
        "third_click": Drawn(points, none),
        "box": Drawn(none, none, tight_box(target.mask)),
    }
    for phase, wish in wishes.items():
        _timed(times, phase, partial(predictor.predict, volume, wish.on(view), view.index))
    if view.shape[view.axis] > 1:
        index = view.index - 1 if view.index else view.index + 1
        there = wishes["first_click"].on(volume.view(view.axis, index))
        _timed(times, "other_slice", partial(predictor.predict, volume, there, index))


def _timed(times: dict[str, list[float]], phase: str, work: Callable[[], Result]) -> Result:
    start = time.perf_counter()
    result = work()
    times.setdefault(phase, []).append(time.perf_counter() - start)
    return result


def _row(model: str, phase: str, seconds: list[float]) -> Row:
    median, p95 = np.percentile(np.asarray(seconds) * 1000, [50, 95])
    return {
        "server": SERVER,
        "model": model,
        "phase": phase,
        "clients": 1,
        "median_ms": round(float(median), 2),
        "p95_ms": round(float(p95), 2),
        "n": len(seconds),
    }


def _probe(model: str) -> Probe:
    command = [sys.executable, "-m", "sam_trainer.bench.footprint", model]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SamError(f"a fresh process could not predict with {model!r}: {reason}", "model")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return Probe(seconds, int(said["peak_bytes"]), int(said["resident_bytes"]))
