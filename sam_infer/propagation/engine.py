"""Volume engines: ways to make one object in 3D out of prompts on a few slices. A new one gets a line in `ENGINES`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Protocol

from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Volume
from sam_infer.job import Job
from sam_infer.networks.backbone import Backbone
from sam_infer.networks.slice_memory import RemembersSlices
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.memory_walk import MemoryWalk
from sam_infer.propagation.options import AUTO, SAM2, TRACKER, VolumeOptions
from sam_infer.propagation.result import VolumePrediction
from sam_infer.propagation.segment import Propagation, segment_volume
from sam_infer.propagation.tracker_walk import TrackerWalk
from sam_infer.propagation.walk import Walk
from sam_infer.slices.predictor import Predictor


class VolumeEngine(Protocol):
    """Answers for one object; stateless, so any number of threads may ask it. Same arguments, same answer."""

    @property
    def name(self) -> str:
        """What `VolumeOptions.engine` calls it."""
        ...

    def segment(
        self, predictor: Predictor, volume: Volume, prompts: Prompts | VolumePrompts, options: VolumeOptions, job: Job
    ) -> VolumePrediction:
        """The object meant by the prompts, on every slice where it is; slice by slice through `job.slice`."""
        ...

    def walk(self, predictor: Predictor, volume: Volume, said: VolumePrompts, options: VolumeOptions, job: Job) -> Walk:
        """How it goes about that, for whoever walks elsewhere: through the phases of a cine."""
        ...


class TrackerEngine:
    """Masks are followed from slice to slice by a tracker and the promptable network together; see `segment_volume`."""

    name = TRACKER

    def segment(
        self, predictor: Predictor, volume: Volume, prompts: Prompts | VolumePrompts, options: VolumeOptions, job: Job
    ) -> VolumePrediction:
        """The object meant by the prompts, on every slice where it is."""
        return segment_volume(predictor, volume, prompts, options, job)

    def walk(self, predictor: Predictor, volume: Volume, said: VolumePrompts, options: VolumeOptions, job: Job) -> Walk:
        """From slice to slice."""
        return TrackerWalk(predictor, volume, said, options, job)


class Sam2Engine:
    """SAM 2 follows the object with its own memory; the predictor's network must be one of its models."""

    name = SAM2

    def segment(
        self, predictor: Predictor, volume: Volume, prompts: Prompts | VolumePrompts, options: VolumeOptions, job: Job
    ) -> VolumePrediction:
        """The object meant by the prompts, on every slice where it is."""
        said = VolumePrompts.of(prompts, volume.geometry) if isinstance(prompts, Prompts) else prompts
        walk = self.walk(predictor, volume, said, options, job)
        return Propagation(predictor, volume, said, options, job, walk).answer()

    def walk(self, predictor: Predictor, volume: Volume, said: VolumePrompts, options: VolumeOptions, job: Job) -> Walk:
        """With a memory of what was seen."""
        return MemoryWalk(predictor, volume, said, options, job)


# SAM 2's engine is there where its package is.
ENGINES: dict[str, VolumeEngine] = {TRACKER: TrackerEngine()}
if find_spec("sam2") is not None:
    ENGINES[SAM2] = Sam2Engine()


def engine(name: str, network: Backbone | None = None) -> VolumeEngine:
    """The engine of a name, `auto` as it suits a network, or a refusal that says which there are."""
    if name == AUTO:
        return ENGINES[SAM2 if SAM2 in ENGINES and isinstance(network, RemembersSlices) else TRACKER]
    if name not in ENGINES:
        raise PromptError(f"engine must be one of {', '.join((AUTO, *ENGINES))}, got {name!r}", "engine")
    return ENGINES[name]


def offered(model: str) -> list[str]:
    """What `VolumeOptions.engine` may say for a model, known before it is loaded; the first suits it best."""
    return [AUTO, *(name for name in ENGINES if name != SAM2 or model.startswith(SAM2))]


def segment_object(
    predictor: Predictor,
    volume: Volume,
    prompts: Prompts | VolumePrompts,
    options: VolumeOptions | None = None,
    job: Job | None = None,
) -> VolumePrediction:
    """The object meant by the prompts, as the engine that the options name finds it."""
    options = options or VolumeOptions()
    return engine(options.engine, predictor.backbone).segment(predictor, volume, prompts, options, job or Job())
