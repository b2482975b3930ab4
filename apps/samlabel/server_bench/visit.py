"""Single-user latency benchmark: every phase of a click on a server, alone, one after the other."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sam_trainer.reports.table import Row
from samlabel.server_bench.click import Station, TimedReply
from samlabel.server_bench.scene import ANSWERS, Scene
from samlabel.server_bench.server_process import Running

OURS = "samlabel"

# The address that does next to nothing: what any answer of this server costs at least.
LEAST = "/ready"

# Clicks from which on the object is looked at more closely.
MANY_CLICKS = 5

INFO_PAUSE_S = 0.02

# A server that has been worked with: `tiny` is recorded once it has been asked often.
OBJECTS_BEFORE = 3

# CPU seconds in a second that count as nothing, and how long that is waited for.
AT_REST, REST_SECONDS = 0.05, 30.0


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
            self.timed(
                "first_answer_after_restart",
                lambda: [station.click("sam_2d", scene.image, scene.clicks(1, scene.middle))],
            )
            seconds = time.perf_counter() - self.server.started
            counted = station.get("/metrics").body.decode()
        encodes = next(line.split()[1] for line in counted.splitlines() if line.startswith("samlabel_encodes_total "))
        self.note("restart", [seconds], encodes=int(float(encodes)))

    def timed(self, phase: str, ask: Callable[[], Sequence[TimedReply]], clients: int = 1) -> None:
        """A row of times, what was on the wire, and what the server computed per answer."""
        before = self.server.cpu_seconds()
        replies = ask()
        spent = (self.server.cpu_seconds() - before) / len(replies)
        largest = max(len(reply.body) for reply in replies)
        seconds = [reply.seconds for reply in replies]
        self.note(phase, seconds, clients, bytes=largest, cpu_ms=round(spent * 1000, 1))

    def note(self, phase: str, seconds: Sequence[float] = (), clients: int = 1, **more: object) -> None:
        """A row."""
        row: Row = {"server": self.server.name, "model": self.server.model, "phase": phase, "clients": clients}
        if seconds:
            row |= quantiles(seconds)
        self.rows.append({**row, **more})

    def _unread(self, station: Station) -> None:
        """Volumes that nobody has read; the first of them with the first answer of all."""
        first, *others = self.scenes
        self.timed("first_answer", lambda: [station.click("sam_2d", first.image, first.clicks(1, first.middle))])
        self.note(
            "cold_start", [time.perf_counter() - self.server.started], cpu_ms=round(self.server.cpu_seconds() * 1000)
        )
        self.timed(
            "first_click",
            lambda: [station.click("sam_2d", scene.image, scene.clicks(1, scene.middle)) for scene in others],
        )

    def _warm(self, station: Station) -> None:
        """A volume that is in memory, and mostly the same slice of it."""
        scene, k, few = self.scenes[-1], self.scenes[-1].middle, max(2, self.repeats // 3)

        def click(prompts: Mapping[str, Any], output: str = "image", packed: bool = True) -> TimedReply:
            return station.click("sam_2d", scene.image, prompts, output, packed)

        def grown(first: int, output: str = "image", packed: bool = True) -> list[TimedReply]:
            """Further clicks on objects that each had a first one."""
            objects = [scene.growing(k, first + n) for n in range(1 + self.repeats // (ANSWERS - 1))]
            replies = [[click(prompts, output, packed) for prompts in clicks] for clicks in objects]
            return [reply for of_one in replies for reply in of_one[1:]][: self.repeats]

        for seed in range(OBJECTS_BEFORE if self.server.name == OURS else 1):
            grown(1000 + 100 * seed)
        if self.server.name == OURS:
            self._come_to_rest(station)
        self.timed("next_click", lambda: grown(0))
        self.timed("other_slice", lambda: [click(scene.clicks(1, k + n + 1)) for n in range(few)])
        self.timed("box", lambda: [click(scene.box(k)) for _ in range(few)])
        self._info_beside(lambda n: click(scene.clicks(1, k - n - 1)), few)
        if self.server.name != OURS:
            return
        self.note("inflate", [_seconds(reply.inflated) for reply in grown(100)])
        self.timed("next_click_raw_body", lambda: grown(200, packed=False))
        many = [scene.clicks(MANY_CLICKS + seed % 2, k, seed) for seed in range(self.repeats)]
        self.timed("many_clicks", lambda: [click(prompts) for prompts in many])
        said = [json.loads(reply.body)["latencies"] for reply in grown(300, "json")]
        self.note("decode", [latencies["decode"] / 1000 for latencies in said])
        self.timed("round_trip", lambda: [station.get(LEAST) for _ in range(self.repeats)])

    def _come_to_rest(self, station: Station) -> None:
        """Come back when what it does once, in the first pause, is over: loading readers of other files."""
        until, before = time.monotonic() + REST_SECONDS, self.server.cpu_seconds()
        while time.monotonic() < until:
            time.sleep(1)
            station.get(LEAST)  # a connection that says nothing is ended
            now = self.server.cpu_seconds()
            if now - before < AT_REST:
                return
            before = now

    def _info_beside(self, click: Callable[[int], TimedReply], count: int) -> None:
        """How long `/info/` takes while slices are encoded."""
        stop, replies = threading.Event(), list[TimedReply]()

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
        seconds = [reply.seconds for reply in replies]
        self.note("info_during_click", seconds, bytes=max(len(reply.body) for reply in replies))

    def _three_dimensional(self, station: Station) -> None:
        prompts = self.thin.clicks(1, self.thin.middle)
        self.timed("3d", lambda: [station.click("sam_3d", self.thin.image, prompts)])

    def _at_once(self, readers: int) -> None:
        """So many readers who click in the same moment, each on another slice that was seen before."""
        rounds = 1 + self.repeats // readers

        def reader(number: int) -> list[TimedReply]:
            scene = self.scenes[number % len(self.scenes)]
            with Station(self.server.port) as station:
                return [
                    station.click("sam_2d", scene.image, scene.clicks(2, scene.middle, number)) for _ in range(rounds)
                ]

        with ThreadPoolExecutor(readers) as pool:
            self.timed(
                "next_click", lambda: [reply for found in pool.map(reader, range(readers)) for reply in found], readers
            )


def quantiles(seconds: Sequence[float]) -> Row:
    """Median and 95th percentile."""
    median, p95 = np.percentile(np.asarray(seconds) * 1000, [50, 95])
    return {"median_ms": round(float(median), 2), "p95_ms": round(float(p95), 2), "n": len(seconds)}


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
