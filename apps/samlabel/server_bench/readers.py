"""Load generator: scripted readers at work on the same server, who click, think, scroll, submit."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sam_trainer.reports.table import Row
from samlabel.server_bench.click import Station, TimedReply
from samlabel.server_bench.scene import Scene
from samlabel.server_bench.visit import quantiles

# What the organ is called in the labels that readers accept.
ORGAN = "organ"

# A reader looks at an answer for about so long before the next click.
THINK_S = (0.4, 1.2)

# The slices of every volume that are clicked on, and the clicks on each: all were seen before it is measured.
SLICES, CLICKS = 4, 3

INFO_EVERY_S = 0.25


@dataclass(frozen=True)
class Task:
    """One click of the script."""

    scene: Scene
    k: int
    clicks: int

    def request(self) -> tuple[str, dict[str, object]]:
        """The image and the hints."""
        return self.scene.image, self.scene.clicks(self.clicks, self.k)


@dataclass
class Log:
    """What one reader saw."""

    seconds: list[float] = field(default_factory=list)
    answers: list[tuple[Task, TimedReply]] = field(default_factory=list)
    submits: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def script(scenes: Sequence[Scene]) -> list[Task]:
    """Every click that any reader makes, in the order of one reader who does all the work alone."""
    return [
        Task(scene, scene.middle + n, clicks)
        for scene in scenes
        for n in range(SLICES)
        for clicks in range(1, CLICKS + 1)
    ]


def work(
    port: int,
    tasks: Sequence[Task],
    seed: int,
    seconds: float,
    labels: Mapping[Scene, bytes] | None = None,
) -> Log:
    """One reader, until the time is over: slice by slice from a place of its own, thinking after every answer.

    `labels` are what the reader accepts when a volume is done.
    """
    rng, log = np.random.default_rng(seed), Log()
    until, place = time.monotonic() + seconds, int(rng.integers(0, len(tasks)))
    with Station(port, f"reader-{seed}") as station:
        while time.monotonic() < until:
            time.sleep(float(rng.uniform(*THINK_S)))
            task = tasks[place % len(tasks)]
            place += 1
            try:
                reply = station.click("sam_2d", *task.request())
            except (RuntimeError, OSError) as error:
                log.lost.append(str(error))
                continue
            log.seconds.append(reply.seconds)
            log.answers.append((task, reply))
            following = tasks[place % len(tasks)].scene
            if labels and following != task.scene:
                try:
                    log.submits.append(station.submit(task.scene.image, labels[task.scene], ORGAN).seconds)
                except (RuntimeError, OSError) as error:
                    log.lost.append(str(error))
    return log


def measure(port: int, scenes: Sequence[Scene], readers: int, seconds: float) -> list[Row]:
    """One reader alone, then all of them together: warm clicks, `/info/` meanwhile, and whether masks are equal."""
    tasks = script(scenes)
    with Station(port) as station:
        alone = {task: station.click("sam_2d", *task.request()) for task in tasks}
    labels = {task.scene: reply.packed_file() for task, reply in alone.items()}
    single, info_single = _together(port, tasks, 1, seconds, labels)
    many, info = _together(port, tasks, readers, seconds, labels)
    rows: list[Row] = []
    for count, logs, infos in ((1, single, info_single), (readers, many, info)):
        spent = [second for log in logs for second in log.seconds]
        crossed = sum(not reply.same_mask(alone[task]) for log in logs for task, reply in log.answers)
        row = {"server": "samlabel", "phase": "scripted_click", "clients": count, **quantiles(spent)}
        row |= {"volumes": len(scenes), "lost": sum(len(log.lost) for log in logs), "masks_unequal": crossed}
        rows += [row, {"server": "samlabel", "phase": "info", "clients": count, **quantiles(infos)}]
        submits = [second for log in logs for second in log.submits]
        if submits:
            rows.append({"server": "samlabel", "phase": "submit", "clients": count, **quantiles(submits)})
    return rows


def measure_one(port: int, scenes: Sequence[Scene], seconds: float, beside: str) -> Row:
    """Warm clicks of one reader, while something else is going on."""
    logs, _ = _together(port, script(scenes), 1, seconds)
    spent = [second for log in logs for second in log.seconds]
    return {"server": "samlabel", "phase": "scripted_click", "clients": 1, **quantiles(spent), "beside": beside}


def _together(
    port: int, tasks: Sequence[Task], readers: int, seconds: float, labels: Mapping[Scene, bytes] | None = None
) -> tuple[list[Log], list[float]]:
    """Readers side by side, and how long `/info/` took meanwhile."""
    logs: list[Log] = []

    def reader(seed: int) -> None:
        logs.append(work(port, tasks, seed, seconds, labels))

    threads = [threading.Thread(target=reader, args=[seed]) for seed in range(readers)]
    for thread in threads:
        thread.start()
    infos = []
    with Station(port) as station:
        while any(thread.is_alive() for thread in threads):
            infos.append(station.get("/info/").seconds)
            time.sleep(INFO_EVERY_S)
    return logs, infos
