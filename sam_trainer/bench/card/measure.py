"""The measurements of a card, source by source: each is kept as soon as it is done, and not made twice.

A source's answers are kept with all that could change them: the weights, the seed, the code's commit and the objects.
What was kept under other circumstances is measured again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from sam_infer.errors import VolumeError
from sam_infer.files import write_whole
from sam_infer.networks.backbone import Backbone
from sam_trainer.bench import clicks, latency, prompts
from sam_trainer.bench.exam import Exam
from sam_trainer.bench.gallery import Gallery
from sam_trainer.labels.cases import Source, Subject, collect, read_sources
from sam_trainer.provenance import commit
from sam_trainer.reports.record import Report
from sam_trainer.reports.table import Observation, mean_over_sources, table

BENCHES: dict[str, Callable[[Exam], list[Observation]]] = {
    "prompts": lambda exam: prompts.measure(exam, Gallery()),
    "clicks": lambda exam: clicks.measure(exam, Gallery()),
}


@dataclass(frozen=True)
class CardBench:
    """A model, and where its measurements go."""

    backbone: Backbone
    folder: Path
    command: str
    seed: int = 0
    say: Callable[[str], None] = lambda line: None
    at: Callable[[str, int, int], None] = lambda words, done, of: None  # what is measured now, and how much is done

    def run(self, sources: Sequence[Source], limit: int | None, repeats: int) -> None:
        """Write {prompts,clicks,latency}.json; what an earlier run that was broken off had measured is taken over."""
        subjects = {source.name: collect([source], limit) for source in sources}
        done, steps = count(), len(BENCHES) * len(subjects) + 1
        for bench in BENCHES:
            started, seen = time.time(), list[Observation]()
            for name, some in subjects.items():
                self.at(f"{name}: {bench}", next(done), steps)
                seen += self._observations(bench, name, some)
            self._keep(bench, table(seen, seed=self.seed), started)
        self.at(f"latency: {repeats} visits, and fresh processes", next(done), steps)
        started = time.time()
        rows = latency.fresh_process(self.backbone.name)
        everything = [subject for some in subjects.values() for subject in some]
        self._keep("latency", rows + latency.measure(self.backbone, everything, repeats), started)

    def _observations(self, bench: str, source: str, subjects: Sequence[Subject]) -> list[Observation]:
        path = self.folder / "sources" / f"{bench}-{source}.json"
        of = self._circumstances(subjects)
        kept = _kept(path, of)
        if kept is not None:
            self.say(f"{source}: {bench} kept from before, {_words(kept)}")
            return kept
        started = time.time()
        seen = BENCHES[bench](Exam(self.backbone, subjects, self.seed))
        write_whole(path, json.dumps({"of": of, "seen": [asdict(one) for one in seen]}) + "\n")
        self.say(f"{source}: {bench} measured in {time.time() - started:.0f} s, {_words(seen)}")
        return seen

    def _circumstances(self, subjects: Sequence[Subject]) -> dict[str, Any]:
        objects = [f"{target.key} {target.mask.sum()}" for subject in subjects for target in subject.targets]
        return {
            "weights": self.backbone.weights_id,
            "seed": self.seed,
            "commit": commit(),
            "objects": hashlib.sha256("\n".join(objects).encode()).hexdigest(),
        }

    def _keep(self, bench: str, rows: list[dict[str, Any]], started: float) -> None:
        facts = {"model": self.backbone.name, "weights": self.backbone.weights_id}
        Report(self.command, self.seed, rows, started, facts).write(self.folder / f"{bench}.json")


def sources_of(folders: Sequence[Path], separate: Sequence[str] = ()) -> list[Source]:
    """The labelled sources of several folders; two of one name would be told apart by nobody."""
    found = [source for folder in folders for source in read_sources(folder, separate)]
    names = [source.name for source in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise VolumeError(f"two of the folders hold a source called {twice}: rename one", "studies")
    return found


def _kept(path: Path, of: dict[str, Any]) -> list[Observation] | None:
    try:
        document = json.loads(path.read_text())
        if document["of"] != of:
            return None
        return [
            Observation(**{**one, "keys": tuple((key, value) for key, value in one["keys"])})
            for one in document["seen"]
        ]
    except (OSError, ValueError, KeyError, TypeError):  # not there, or written by another version
        return None


def _words(seen: Sequence[Observation]) -> str:
    """The figure that a person waits for."""
    method = next((dict(s.keys)["method"] for s in seen if "encodes" in s.values), None)
    wished: dict[str, dict[str, Any]] = {
        "box": {"strategy": "S5", "rule": "deployable"},
        "one point": {"strategy": "S2", "rule": "deployable"},
        "1 click": {"clicks": 1, "method": method},
        "5 clicks": {"clicks": 5, "method": method},
        "10 clicks": {"clicks": 10, "method": method},
    }
    words = []
    for name, keys in wished.items():
        some = [s for s in seen if dict(s.keys) == keys]
        if some:
            words.append(f"{name} {mean_over_sources(some, 'dice'):.3f}")
    return ", ".join(words)
