"""One reader visits a server: every phase of a click, alone, one after the other."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from sam_trainer.bench.table import Row
from samlabel.stopwatch.click import Reply, Station
from samlabel.stopwatch.running import Running
from samlabel.stopwatch.scene import Scene

OURS = "samlabel"

# The address that does next to nothing: what any answer of this server costs at least.
LEAST = "/ready"

# Clicks from which on the object is looked at more closely.
MANY_CLICKS = 5

INFO_PAUSE_S = 0.02


@dataclass
class Visit:
    """The measurements of one server, phase by phase."""

    server: Running
    scenes: Sequence[Scene]  # nobody has read them yet
    thin: Scene
    repeats: int
    rows: list[Row] = field(default_factory=list)

    def run(self, crowds: Sequence[int]) -> list[Row]:
        """All phases, from the first answer of the server's life on."""
        self.note("memory", bytes=self.server.memory_bytes(), state="idle")
        with Station(self.server.port) as station:
            self._unread(station)
            self._warm(station)
            self._three_dimensional(station)
        for readers in crowds:
            self._at_once(readers)
        self.note("memory", bytes=self.server.memory_bytes(), state="after")
        return self.rows

    def restarted(self) -> None:
        """The first answer after a restart, about a slice that the disk remembers."""
        scene = self.scenes[0]
        with Station(self.server.port) as station:
            reply = station.click("sam_2d", scene.image, scene.clicks(1, scene.middle))
            said = json.loads(station.click("sam_2d", scene.image, scene.clicks(1, scene.middle), "json").body)
        self.note("restart", [time.perf_counter() - self.server.started])
        self.timed("first_answer_after_restart", [reply])
        self.note("encode_after_restart", [said["latencies"]["encode"] / 1000])

    def timed(self, phase: str, replies: Sequence[Reply], clients: int = 1) -> None:
        """A row of times, and what was on the wire."""
        seconds = [reply.seconds for reply in replies]
        largest = max(replies, key=lambda reply: len(reply.body))
        self.note(phase, seconds, clients, bytes=len(largest.body))

    def note(self, phase: str, seconds: Sequence[float] = (), clients: int = 1, **more: object) -> None:
        """A row."""
        row: Row = {"server": self.server.name, "model": self.server.model, "phase": phase, "clients": clients}
        if seconds:
            row |= quantiles(seconds)
        self.rows.append({**row, **more})

    def _unread(self, station: Station) -> None:
        """Volumes that nobody has read; the first of them with the first answer of all."""
        first, *others = self.scenes
        reply = station.click("sam_2d", first.image, first.clicks(1, first.middle))
        self.note("cold_start", [time.perf_counter() - self.server.started])
        self.timed("first_answer", [reply])
        replies = [station.click("sam_2d", scene.image, scene.clicks(1, scene.middle)) for scene in others]
        self.timed("first_click", replies)

    def _warm(self, station: Station) -> None:
        """A volume that is in memory, and mostly the same slice of it."""
        scene, k, few = self.scenes[-1], self.scenes[-1].middle, max(3, self.repeats // 3)

        def clicks(count: int, seed: int, output: str = "image", packed: bool = True) -> Reply:
            return station.click("sam_2d", scene.image, scene.clicks(count, k, seed), output, packed)

        replies = [clicks(2 + seed % 2, seed) for seed in range(self.repeats)]
        self.timed("next_click", replies)
        self.note("inflate", [_seconds(reply.inflated) for reply in replies[:few]])
        self.timed("next_click_raw_body", [clicks(2 + seed % 2, seed, packed=False) for seed in range(few)])
        self.timed("many_clicks", [clicks(MANY_CLICKS + seed % 2, seed) for seed in range(self.repeats)])
        slices = [k + n + 1 for n in range(few)]
        other = [station.click("sam_2d", scene.image, scene.clicks(1, other)) for other in slices]
        self.timed("other_slice", other)
        self.timed("box", [station.click("sam_2d", scene.image, scene.box(k)) for _ in range(few)])
        if self.server.name == OURS:
            said = [json.loads(clicks(2 + n % 2, n, "json").body)["latencies"] for n in range(self.repeats)]
            self.note("decode", [latencies["decode"] / 1000 for latencies in said])
            self.timed("round_trip", [station.get(LEAST) for _ in range(self.repeats)])
        self._info_beside(lambda n: station.click("sam_2d", scene.image, scene.clicks(1, k - n - 1)), few)

    def _info_beside(self, click: Callable[[int], Reply], count: int) -> None:
        """How long `/info/` takes while slices are encoded."""
        stop, replies = threading.Event(), list[Reply]()

        def ask() -> None:
            with Station(self.server.port) as station:
                while not stop.wait(INFO_PAUSE_S):
                    replies.append(station.get("/info/"))

        asking = threading.Thread(target=ask)
        asking.start()
        for number in range(count):
            click(number)
        stop.set()
        asking.join()
        self.timed("info_during_click", replies)

    def _three_dimensional(self, station: Station) -> None:
        prompts = self.thin.clicks(1, self.thin.middle)
        self.timed("3d", [station.click("sam_3d", self.thin.image, prompts)])

    def _at_once(self, readers: int) -> None:
        """So many readers who click in the same moment, each on another slice that was seen before."""
        rounds = 1 + self.repeats // readers

        def reader(number: int) -> list[Reply]:
            scene = self.scenes[number % len(self.scenes)]
            with Station(self.server.port) as station:
                return [station.click("sam_2d", scene.image, scene.clicks(2, scene.middle, number))
                        for _ in range(rounds)]  # fmt: skip

        with ThreadPoolExecutor(readers) as pool:
            replies = [reply for found in pool.map(reader, range(readers)) for reply in found]
        self.timed("next_click", replies, readers)


def quantiles(seconds: Sequence[float]) -> Row:
    """Median and 95th percentile."""
    median, p95 = np.percentile(np.asarray(seconds) * 1000, [50, 95])
    return {"median_ms": round(float(median), 2), "p95_ms": round(float(p95), 2), "n": len(seconds)}


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
