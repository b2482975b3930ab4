"""Scoring run: an uncertainty score for every case that needs one, resumable, each kept as soon as it is made.

A run that is interrupted goes on where it was, because what is done is not asked for again: cases that were never
scored come first, then those whose score is of another adapter, method or image, the oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from sam_infer.errors import SamError, VolumeError
from sam_infer.imaging.image_file import read_image
from sam_infer.imaging.volume import Volume
from sam_infer.job import CancelledError
from sam_infer.uncertainty.case_score import Scorer
from sam_trainer.active.score_table import Scored, ScoreTable
from sam_trainer.labels.cases import slice_axis
from sam_trainer.labels.dataset_file import tags_of_image

log = structlog.get_logger(__name__)

# Name to file; None where it has to be fetched first, as from an archive, whose images never change.
Images = Mapping[str, Path | None]


@dataclass
class ScoringOutcome:
    """What became of the cases of one run."""

    done: list[str] = field(default_factory=list)
    skipped: int = 0
    undoubted: int = 0  # of those done: looked at, but there was no accepted label to go by
    failed: dict[str, str] = field(default_factory=dict)  # case to sentence

    @property
    def sentence(self) -> str:
        """One line for the end of a run."""
        counts = f"{len(self.done)} cases scored, {self.skipped} were up to date, {len(self.failed)} failed"
        if not self.undoubted:
            return counts
        return f"{counts}; {self.undoubted} are only looked at: their doubt is known once a label is accepted"


@dataclass(frozen=True, eq=False)
class Scoring:
    """One network's scores, kept in one table."""

    scorer: Scorer
    table: ScoreTable
    seed: int = 0
    read: Callable[[Path], Volume] = read_image
    locate: Callable[[str], Path] | None = None  # fetches an image whose file is not given

    def waiting(self, images: Images, force: bool = False) -> list[str]:
        """Cases that need a score, in the order in which they get one."""
        made = Made(self.scorer.predictor.adapter, self.scorer.settings.method, bool(self.scorer.cases))
        return waiting(images, self.table.all(), made, force)

    def run(
        self,
        images: Images,
        force: bool = False,
        pause: Callable[[], None] = lambda: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[ScoringOutcome]:
        """Score what needs it; after each case what became of the run so far, and once if there is none."""
        waiting = self.waiting(images, force)
        outcome = ScoringOutcome(skipped=len(images) - len(waiting))
        for name in waiting:
            pause()
            if should_stop():
                break
            try:
                scored = self.one(name, images[name] or self._located(name))
                self.table.put(scored)
                outcome.done.append(name)
                outcome.undoubted += scored.value is None
            except CancelledError:
                break  # stopped within a case: it is neither done nor failed
            except (SamError, OSError) as error:
                outcome.failed[name] = str(error)
                log.warning("a case could not be scored", case=name, reason=str(error))
            yield outcome
        if not waiting:
            yield outcome

    def one(self, name: str, image: Path) -> Scored:
        """The score of one case, now."""
        version = image_version(image)
        volume = self.read(image)
        scorer = self.scorer.about(partial(tags_of_image, image, volume))
        score = scorer.score(volume, slice_axis(volume.geometry))
        return Scored.of(
            name,
            score,
            adapter=self.scorer.predictor.adapter,
            method=self.scorer.settings.method,
            seed=self.seed,
            when=datetime.now(UTC).isoformat(timespec="milliseconds"),
            image=version,
        )

    def _located(self, name: str) -> Path:
        if self.locate is None:
            raise VolumeError(f"nobody knows where the image {name!r} is", "images")
        return self.locate(name)


@dataclass(frozen=True)
class Made:
    """What a score of today is made with."""

    adapter: str
    method: str
    labelled: bool  # there are accepted cases to go by

    def outdates(self, known: Scored, image: Path | None) -> bool:
        """Whether a score would come out otherwise today."""
        awaited = known.value is None and self.labelled
        changed = image is not None and known.image != image_version(image)
        return known.stale(self.adapter, self.method) or awaited or changed


def waiting(images: Images, known: Mapping[str, Scored], made: Made, force: bool = False) -> list[str]:
    """Cases that need a score: those that never had one, then the outdated ones, the oldest first."""
    fresh = [name for name in images if name not in known]
    old = [name for name in images if name in known and (force or made.outdates(known[name], images[name]))]
    return [*fresh, *sorted(old, key=lambda name: known[name].when)]


def image_version(path: Path) -> str:
    """Changes when the image's file does."""
    try:
        stat = path.stat()
    except OSError:
        return "missing"
    return f"{stat.st_mtime_ns:x}-{stat.st_size:x}"
