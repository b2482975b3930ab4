"""Python API: open studies, click, train and judge from a program, without a server.

    with open_project("demo-files") as project:
        answer = project.click("demo_ct_1", (70, 70, 24))

Nothing here decides anything: it is what the commands do, with values instead of words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sam_infer.adapters.store import AdapterStore
from sam_infer.arrays import UInt8Array
from sam_infer.home import default_home
from sam_infer.imaging.volume import Mask
from sam_infer.models.load import load_network
from sam_infer.prompts.object_prompts import indices
from sam_infer.slices.by_tag import checked_tag
from sam_trainer.config import TrainConfig
from sam_trainer.judging.gate import Semantic, Verdict
from sam_trainer.judging.gate import judge as verdict_on
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.labels.round import HELD_OUT, part_of
from sam_trainer.training.round_setup import RoundSetup
from sam_trainer.training.run_round import RoundOutcome, TrainingRound
from samlabel.errors import ConfigError
from samlabel.loop.counted_labels import counting_labels
from samlabel.offline.outputs import require_output, write_answer
from samlabel.offline.predict_one import OfflinePredictor, PredictRequest
from samlabel.offline.project import Offline
from samlabel.store.open import opened

Voxel = Sequence[int]


@dataclass(frozen=True, eq=False)
class ProjectAnswer:
    """A mask on its image's grid, and a sentence about it."""

    labels: Mask
    sentence: str
    notes: tuple[str, ...]

    @property
    def mask(self) -> UInt8Array:
        """The voxels (I, J, K), in the image's order: 1 is the object."""
        return self.labels.array

    def save(self, path: str | Path, force: bool = False) -> Path:
        """Write the mask in the format that the name says; what is there already is replaced by `force` only."""
        require_output(Path(path), (), force)
        return write_answer(self.labels, Path(path))


class Project:
    """One studies folder or archive with the network that answers about it."""

    def __init__(self, offline: Offline) -> None:
        self._offline = offline
        self._model = offline.config.model

    @property
    def cases(self) -> list[str]:
        """The names of all images."""
        return sorted(self._offline.store.list_images())

    @property
    def labelled(self) -> list[str]:
        """Those with an accepted label."""
        return sorted(self._offline.store.get_labeled_images())

    def click(
        self,
        case: str,
        *points: Voxel,
        beside: Sequence[Voxel] = (),
        mode: str = "2d",
        plane: str | None = None,
        tag: str = "",
    ) -> ProjectAnswer:
        """The object at voxels (i, j, k), without what lies at those `beside` it; mode 2d or 3d.

        `tag` names the domain or view of an image that does not say its own.
        """
        if mode not in ("2d", "3d"):
            raise ConfigError(f"mode must be 2d or 3d, got {mode!r}", "mode")
        said = [*_words(points, ""), *_words(beside, ",-")]
        request = PredictRequest(mode, tuple(said), plane=plane, tag=checked_tag(tag))
        found = self._predictor.answer(request, Path(self._offline.store.get_image_uri(case)))
        return ProjectAnswer(found.shown, found.sentence, found.notes)

    def train(self, policy: GatePolicy | None = None, **settings: Any) -> RoundOutcome:
        """An adapter of the accepted labels, judged and, if it is better, promoted; settings are those of `train`."""
        accepted = counting_labels(self._offline.studies)
        learned = TrainingRound(TrainConfig(model=self._model, **settings), policy or GatePolicy()).run(accepted)
        self.__dict__.pop("_predictor", None)  # another adapter may serve now
        self._offline.__dict__.pop("serving", None)
        return learned

    def judge(self, adapter: str | None = None, policy: GatePolicy | None = None) -> Verdict:
        """An adapter against the base network on held-out cases; without an id the one that serves."""
        store, policy = AdapterStore(self._model), policy or GatePolicy()
        name = store.find(adapter) if adapter else store.pointer().adapter
        if name is None:
            raise ConfigError(f"no adapter serves {self._model}: name one, or train one", "adapter")
        accepted = counting_labels(self._offline.studies)
        cases = [entry.case for entry in accepted if part_of(entry.patient or entry.case.name) == HELD_OUT]
        setup = RoundSetup(load_network(self._model), TrainConfig(model=self._model), default_home(), lambda: False)
        (before, named_before), (after, named_after) = (
            setup.judged(entry, cases, policy) for entry in (None, store.get(name))
        )
        gone = [replace(score, dice=0.0) for score in named_before]
        return verdict_on(before, after, policy, Semantic(named_before, named_after or gone))

    @cached_property
    def _predictor(self) -> OfflinePredictor:
        return OfflinePredictor(self._offline.serving.predictor)


@contextmanager
def open_project(studies: str | Path, model: str = "tiny", adapter: str = "latest") -> Iterator[Project]:
    """Studies as every `--studies` names them, with a network that answers about them."""
    with opened(str(studies), default_home(), share=True) as found:
        yield Project(Offline(found, model=model, adapter=adapter))


def _words(points: Sequence[Voxel], sign: str) -> list[str]:
    """Voxels as a command line says them."""
    return [",".join(str(int(n)) for n in indices([point], "point")[0]) + sign for point in points]
