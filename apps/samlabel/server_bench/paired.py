"""Two servers asked by turns: how many times the other's time this one takes, whatever else the machine does.

Cold starts and idle memory come from servers started one after the other, everything else from two that run side by
side and are never asked at the same moment. A ratio is this server's over the other's: below 1 is faster.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sam_trainer.measures.paired import drawn_again
from sam_trainer.reports.table import Row
from samlabel.server_bench.click import Station
from samlabel.server_bench.scene import ANSWERS, Scene
from samlabel.server_bench.server_process import Launch, Running

RESAMPLES, INTERVAL = 10_000, (2.5, 97.5)

READERS = 10


@dataclass(frozen=True)
class PairedPlan:
    """How often everything is asked."""

    starts: int
    clicks: int
    blocks: int  # of readers, on each server
    seconds: float  # a block takes


def paired_row(phase: str, pairs: Sequence[tuple[float, float]], unit: str = "ms", clients: int = 1) -> Row:
    """Medians of other and this, and the ratio with its interval from drawing pairs again."""
    values = np.asarray(pairs, np.float64)
    ratios = np.log(values[:, 1] / values[:, 0])
    low, high = np.exp(np.percentile(drawn_again(ratios, RESAMPLES), INTERVAL))
    other, this = np.median(values, axis=0)
    return {
        "phase": phase,
        "clients": clients,
        "n": len(values),
        f"other_{unit}": round(float(other), 2),
        f"this_{unit}": round(float(this), 2),
        "ratio": round(float(np.exp(np.median(ratios))), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }


def starts(launches: tuple[Launch, Launch], scene: Scene, count: int) -> list[Row]:
    """Cold starts: seconds and CPU seconds to the first answer, and memory before it; the first of each warms disks."""
    seen: dict[str, list[list[float]]] = {"cold_start": [], "cold_start_cpu": [], "idle_memory": []}
    for number in range(-1, count):
        found: dict[str, list[float]] = {phase: [0.0, 0.0] for phase in seen}
        for side in _turns(number):
            launch = launches[side]
            shutil.rmtree(launch.environ["SAMLABEL_HOME"], ignore_errors=True)
            with Running(launch) as server, Station(server.port) as station:
                found["idle_memory"][side] = server.memory_bytes() / 2**20
                station.click("sam_2d", scene.image, scene.clicks(1, scene.middle))
                found["cold_start"][side] = (time.perf_counter() - server.started) * 1000
                found["cold_start_cpu"][side] = server.cpu_seconds() * 1000
        for phase, values in found.items() if number >= 0 else ():
            seen[phase].append(values)
    return [
        paired_row(phase, [(other, this) for other, this in values], "mib" if phase == "idle_memory" else "ms")
        for phase, values in seen.items()
    ]


class Pair:
    """Two servers that run, other and this; asked by turns."""

    def __init__(self, ports: tuple[int, int], scenes: Sequence[Scene]) -> None:
        self._ports, self._scenes = ports, scenes
        self._stations = tuple(Station(port) for port in ports)

    def rows(self, plan: PairedPlan) -> list[Row]:
        """Everything that two servers side by side tell."""
        sessions = range(1 + max(1, plan.clicks // ANSWERS))  # the first one pays for what is lazy
        answers = [(turn, self._session(turn, seed)) for turn, seed in enumerate(sessions)][1:]
        # by servers that have been worked with: what a server's own first click pays for is in its cold start
        unread = self._scenes[:-1] or self._scenes
        first = [self._unread(number, scene) for number, scene in enumerate(unread)]
        begun = [found[0] for _, found in answers]
        clicks = [pair for _, found in answers for pair in found[1:]]
        over = [pair for seed in sessions for pair in self._decoded(seed)]
        found = [
            paired_row("first_click", [seconds for seconds, _ in first]),
            paired_row("new_object", [seconds for seconds, _ in begun]),
            paired_row("next_click", [seconds for seconds, _ in clicks]),
            {"phase": "masks", "clients": 1, "n": len(clicks), "equal": sum(same for _, same in clicks)},
            {
                **paired_row("next_click_over_decode", over),
                "what": "other is the decode of the same click",
            },
        ]
        blocks = [self._block(number, plan.seconds) for number in range(plan.blocks)]
        return [*found, *([paired_row("readers_p95", blocks, clients=READERS)] if blocks else [])]

    def _unread(self, number: int, scene: Scene) -> tuple[tuple[float, float], bool]:
        """A first click on a volume; neither server waits for the disk, which whoever is asked first would."""
        if scene.file is not None:
            scene.file.read_bytes()
        return self._both(number, scene, scene.clicks(1, scene.middle))

    def _session(self, number: int, seed: int) -> list[tuple[tuple[float, float], bool]]:
        """One object on a slice that is known: a first click, and further ones that each keep those before."""
        scene = self._scenes[-1]
        return [self._both(number, scene, prompts) for prompts in scene.growing(scene.middle, seed)]

    def _both(self, number: int, scene: Scene, prompts: Mapping[str, Any]) -> tuple[tuple[float, float], bool]:
        """Milliseconds of one click on both, and whether the masks are the same bits."""
        replies = {side: self._stations[side].click("sam_2d", scene.image, prompts) for side in _turns(number)}
        return (replies[0].seconds * 1000, replies[1].seconds * 1000), replies[0].same_mask(replies[1])

    def _decoded(self, seed: int) -> list[tuple[float, float]]:
        """Milliseconds of the decode and of the whole, of all but the first click on an object."""
        scene, pairs = self._scenes[-1], list[tuple[float, float]]()
        for prompts in scene.growing(scene.middle, 10_000 + seed):
            reply = self._stations[1].click("sam_2d", scene.image, prompts, "json")
            pairs.append((json.loads(reply.body)["latencies"]["decode"], reply.seconds * 1000))
        return pairs[1:]

    def _block(self, number: int, seconds: float) -> tuple[float, float]:
        """The 95th percentile of both with a crowd of readers."""
        found = {side: crowd(self._ports[side], self._scenes, READERS, seconds) for side in _turns(number)}
        return float(np.percentile(found[0], 95)), float(np.percentile(found[1], 95))


def crowd(port: int, scenes: Sequence[Scene], readers: int, seconds: float) -> list[float]:
    """Milliseconds of the clicks of readers who click again as soon as they are answered."""
    until, seen = time.monotonic() + seconds, list[float]()

    def reader(number: int) -> None:
        scene, seed = scenes[number % len(scenes)], 0
        with Station(port, f"reader-{number}") as station:
            while time.monotonic() < until:
                seed += 1
                for prompts in scene.growing(scene.middle, 1000 * number + seed):
                    seen.append(station.click("sam_2d", scene.image, prompts).seconds * 1000)

    threads = [threading.Thread(target=reader, args=[number]) for number in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def measure(
    launches: tuple[Launch, Launch], scenes: Sequence[Scene], plan: PairedPlan, say: Callable[[str], None]
) -> list[Row]:
    """Other and this in all phases."""
    say("starting each in turn")
    rows = starts(launches, scenes[0], plan.starts)
    say("both side by side")
    for launch in launches:
        shutil.rmtree(launch.environ["SAMLABEL_HOME"], ignore_errors=True)
    with Running(launches[0]) as other, Running(launches[1]) as this:
        return rows + Pair((other.port, this.port), scenes).rows(plan)


def _turns(number: int) -> tuple[int, int]:
    """Who is asked first: each in turn."""
    return (0, 1) if number % 2 else (1, 0)
