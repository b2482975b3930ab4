"""`samlabel predict` on one image: the words of a command line as a question, and its answer as one sentence."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sam_infer.ask.answer import Answer, CineAnswer, answer, answer_in_time
from sam_infer.ask.context import Context
from sam_infer.ask.question import CineQuestion, LabelQuestion, ObjectQuestion, SeededQuestion, SliceQuestion
from sam_infer.automatic.best import Chosen
from sam_infer.automatic.example import MOST_CASES, AcceptedCase, affordable
from sam_infer.automatic.modes import BEST, SEMANTIC
from sam_infer.automatic.semantic import require_head
from sam_infer.imaging.cine import Cine, CineMask
from sam_infer.imaging.image_file import read_cine, read_image, read_marked, write_cine_mask, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.job import Job
from sam_infer.masks.cleanup3d import Consistency
from sam_infer.phases.in_time import SPACE
from sam_infer.prompts.slice_index import choose_slice
from sam_infer.propagation.options import AUTO, VolumeOptions
from sam_infer.slices.predictor import NO_ADAPTER, Options, Predictor
from sam_infer.weights.available import SHOWN_DIGITS
from sam_trainer.labels.cases import Case
from sam_trainer.labels.dataset_file import tags_of_image
from sam_trainer.proposals.choice import ModeChoice, network_of, renewed
from sam_trainer.proposals.measuring import count
from samlabel.label_names import LabelNames
from samlabel.offline.hints import parsed


@dataclass(frozen=True)
class PredictRequest:
    """The same request for every image: mode 2d, 3d or auto, and where to look."""

    mode: str
    points: tuple[str, ...] = ()  # i,j,k of the object, or i,j,k,- beside it
    box: str | None = None
    plane: str | None = None
    auto: str = BEST
    seed_from: str | None = None  # 3d: a case with an accepted label, or `best`
    engine: str = AUTO  # 3d: who follows the object
    options: Options = field(default_factory=Options)
    names: LabelNames = field(default_factory=LabelNames)
    phase: int | None = None  # of an image in time
    along: str = SPACE  # where an object is followed
    tag: str = ""  # of the images, where they do not say it themselves

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the masks: two runs may share a folder when it is equal."""
        prompts = (
            {"points": list(self.points), "box": self.box}
            if self.mode != "auto"
            else {"auto": self.auto, "labels": list(self.names.names)}
        )
        zoom, options = self.options.zoom is not None, replace(self.options, zoom=None)
        seed = {} if self.seed_from is None else {"seed_from": self.seed_from, "labels": list(self.names.names)}
        engine = {} if self.engine == AUTO else {"engine": self.engine}
        return {
            "mode": self.mode,
            **prompts,
            **seed,
            **engine,
            **({} if self.phase is None else {"phase": self.phase}),
            **({} if self.along == SPACE else {"along": self.along}),
            **({"tag": self.tag} if self.tag else {}),
            "plane": self.plane,
            "zoom": zoom,
            "options": str(options),
        }

    def on_slice(self, volume: Volume) -> tuple[SliceQuestion, tuple[str, ...]]:
        """Mode 2d as a question, and what is to be said about the slice that was chosen."""
        prompts, marks = parsed(volume, self.points, self.box, self.plane)
        index, notes = choose_slice(volume.geometry, prompts.axis, None, marks)
        return SliceQuestion(prompts, index, self.options), tuple(notes)

    def in_volume(self, volume: Volume) -> ObjectQuestion:
        """Mode 3d as a question."""
        prompts, _ = parsed(volume, self.points, self.box, self.plane)
        flat, wanted = replace(self.options, keep_largest=False), Consistency(keep_largest=self.options.keep_largest)
        return ObjectQuestion(prompts, VolumeOptions(flat, consistency=wanted, engine=self.engine))

    def in_time(self, volume: Volume) -> CineQuestion:
        """An object in all phases, whatever the mode, as a question."""
        body = self.in_volume(volume)
        return CineQuestion(body.prompts, self.phase or 0, self.along, body.options)

    def seeded(self, volume: Volume) -> SeededQuestion:
        """Mode 3d without a prompt as a question."""
        axis = 2 if self.plane is None else volume.geometry.axis_of_plane(self.plane)
        flat, wanted = replace(self.options, keep_largest=False), Consistency(keep_largest=self.options.keep_largest)
        options = VolumeOptions(flat, consistency=wanted, engine=self.engine)
        return SeededQuestion(self.names.names[0], 1, axis, options=options)

    def about_labels(self, volume: Volume, predictor: Predictor) -> LabelQuestion:
        """Mode auto as a question; without names of its own it asks for what the adapter has learned."""
        axis = 2 if self.plane is None else volume.geometry.axis_of_plane(self.plane)
        learned = self.auto == SEMANTIC and not self.names.strict
        names = require_head(predictor).labels if learned else self.names.names
        return LabelQuestion(self.auto, axis, range(volume.geometry.shape[axis]), names, window=self.options.window)


@dataclass(frozen=True, eq=False)
class Predicted:
    """A mask on the image's grid and what to say about it."""

    mask: Mask | CineMask
    sentence: str
    volume: Volume
    notes: tuple[str, ...] = ()

    @property
    def shown(self) -> Mask:
        """The mask of the volume: of all phases that of the one that was prompted."""
        if isinstance(self.mask, Mask):
            return self.mask
        return self.mask.phases[0 if self.volume.phase is None else self.volume.phase.index]

    @property
    def voxels(self) -> int:
        """How many are marked, of all phases together."""
        parts = (self.mask,) if isinstance(self.mask, Mask) else self.mask.phases
        return sum(int(np.count_nonzero(one.array)) for one in parts)

    @property
    def is_flat(self) -> bool:
        """Whether the mask fits a picture file."""
        return isinstance(self.mask, Mask) and (self.volume.is_colour or self.volume.geometry.shape[2] == 1)

    def write(self, path: Path) -> Path:
        """Write the mask."""
        return write_mask(self.mask, path) if isinstance(self.mask, Mask) else write_cine_mask(self.mask, path)


@dataclass(frozen=True, eq=False)
class OfflinePredictor:
    """A network that answers requests without a server; `examples` are the accepted cases it may learn from."""

    predictor: Predictor
    examples: Sequence[Case] = ()
    choice_file: Path | None = None  # where mode `best` keeps what it counted on them
    _read: dict[Path, AcceptedCase] = field(default_factory=dict, repr=False)
    _choice: list[ModeChoice] = field(default_factory=list, repr=False)

    def answer(
        self,
        request: PredictRequest,
        path: Path,
        job: Job | None = None,
        cine: Cine | None = None,
    ) -> Predicted:
        """What the network makes of one image; `cine` is what `path` holds, where it was read already."""
        started = time.perf_counter()
        cine = cine or read_cine(path)
        volume = cine.at(request.phase)
        predictor = self.predictor.about(partial(tags_of_image, path, volume), request.tag)
        context = self._context(request, path, volume, job or Job())
        found: Answer[Any] | CineAnswer
        if request.along == SPACE:
            found, sentence, notes = _asked(request, predictor, volume, context)
            sentence += f", phase {volume.phase.index} of {volume.phase.count}" if volume.phase is not None else ""
        else:
            found = answer_in_time(request.in_time(volume), predictor, cine, context)
            sentence, notes = _in_time(found), ()
        if self.predictor.adapter != NO_ADAPTER:
            own = f" for {predictor.tag}" if predictor.tag else ""
            sentence += f", adapter {self.predictor.adapter[:SHOWN_DIGITS]}{own}"
        told = (*notes, *(note for note in found.notes if note != volume.note))
        return Predicted(found.mask, f"{sentence}, {time.perf_counter() - started:.1f} s", volume, told)

    def _context(self, request: PredictRequest, path: Path, volume: Volume, job: Job) -> Context:
        def best() -> Mapping[str, Chosen]:
            return self.choice(request).of(request.names.names, without=volume.digest)

        return Context(job, lambda: self.cases(request, path), best=best)

    def choice(self, request: PredictRequest) -> ModeChoice:
        """Which mode is best for each label: counted on the accepted cases, once for all images of a run."""
        if self._choice:
            return self._choice[0]
        names = request.names
        said = [f"{case.name} {case.label.stat().st_mtime_ns}" for case in self.examples[:MOST_CASES]]
        labels = hashlib.blake2b("\n".join([*names.names, *said]).encode(), digest_size=8).hexdigest()

        def cases() -> list[AcceptedCase]:
            return affordable(self._example(case, names) for case in self.examples)

        if self.choice_file is None:
            found = ModeChoice(network_of(self.predictor), labels, count(self.predictor, names.names, cases()))
        else:
            found = renewed(self.choice_file, labels, self.predictor, names.names, cases)
        self._choice.append(found)
        return found

    def cases(self, request: PredictRequest, path: Path) -> list[AcceptedCase]:
        """The accepted cases of other images, each read once."""
        seed = request.seed_from if request.seed_from != BEST else None
        others = (
            case for case in self.examples if case.image.resolve() != path.resolve() and seed in (None, case.name)
        )
        return affordable(self._example(case, request.names) for case in others)

    def _example(self, case: Case, names: LabelNames) -> AcceptedCase:
        if case.image not in self._read:
            mask, phase = read_marked(case.label)
            labels = names.renumbered(mask, case.labels)
            self._read[case.image] = AcceptedCase(read_image(case.image, phase=phase), labels)
        return self._read[case.image]


def _asked(
    request: PredictRequest, predictor: Predictor, volume: Volume, context: Context
) -> tuple[Answer[Any], str, tuple[str, ...]]:
    """The answer, a sentence about it, and what else is to be said."""
    if request.mode == "auto":
        labels = answer(request.about_labels(volume, predictor), predictor, volume, context)
        scores = ", ".join(f"{name} {score:.2f}" for name, score in labels.found.scores.items())
        semantic = predictor.semantic if request.auto == SEMANTIC else None
        namer = f" by {semantic.name}" if semantic is not None else ""
        told = tuple(
            f"{name}: {one.facts['mode'] or 'nothing'}, {one.why}" for name, one in labels.found.chosen.items()
        )
        return labels, f"{request.auto}{namer}: {scores or 'nothing found'}", told
    if request.seed_from is not None:
        seeded = answer(request.seeded(volume), predictor, volume, context)
        voxels = int(np.count_nonzero(seeded.mask.array))
        return seeded, f"{voxels} voxels like {request.seed_from}, confidence {seeded.found.confidence:.2f}", ()
    if request.mode == "3d":
        body = answer(request.in_volume(volume), predictor, volume, context)
        voxels, slices = int(np.count_nonzero(body.mask.array)), body.found.slices
        where = f"slices {slices[0]} to {slices[-1]}" if slices else "nowhere"
        about = f"{voxels} voxels on {where} (axis {'ijk'[body.found.axis]}), score {body.found.score:.2f}"
        return body, about, ()
    question, notes = request.on_slice(volume)
    flat = answer(question, predictor, volume, context)
    seen = flat.found
    sentence = (
        f"{int(seen.pixels.sum())} voxels on slice {question.index} (axis {'ijk'[seen.view.axis]}), "
        f"score {seen.score:.2f}, stability {seen.stability:.2f}, window {seen.window.name}"
    )
    return flat, sentence, notes


def _in_time(found: CineAnswer) -> str:
    """What was found in the phases of a cine."""
    counts, one = [int(np.count_nonzero(phase.array)) for phase in found.mask.phases], found.found
    slices = one.start.slices_of_mask()
    where = f"slices {slices[0]} to {slices[-1]} (axis {'ijk'[one.start.axis]})" if slices else "nowhere"
    score = float(np.mean(list(one.scores.values()))) if one.scores else 0.0
    return (
        f"{min(counts)} to {max(counts)} voxels on {where} in {len(counts)} phases, from phase {one.phase}, "
        f"score {score:.2f}"
    )
