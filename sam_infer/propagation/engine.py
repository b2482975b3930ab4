"""Volume engines: ways to make one object in 3D out of prompts on a few slices. A new one gets a line in `ENGINES`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Volume
from sam_infer.job import Job
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.result import VolumePrediction
from sam_infer.propagation.segment import TRACKER, VolumeOptions, segment_volume
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


class TrackerEngine:
    """Masks are followed from slice to slice by a tracker and the promptable network together; see `segment_volume`."""

    name = TRACKER

    def segment(
        self, predictor: Predictor, volume: Volume, prompts: Prompts | VolumePrompts, options: VolumeOptions, job: Job
    ) -> VolumePrediction:
        """The object meant by the prompts, on every slice where it is."""
        return segment_volume(predictor, volume, prompts, options, job)


ENGINES: Mapping[str, VolumeEngine] = {TRACKER: TrackerEngine()}


def engine(name: str) -> VolumeEngine:
    """The engine of a name, or a refusal that says which there are."""
    if name not in ENGINES:
        raise PromptError(f"engine must be one of {', '.join(ENGINES)}, got {name!r}", "engine")
    return ENGINES[name]


def segment_object(
    predictor: Predictor,
    volume: Volume,
    prompts: Prompts | VolumePrompts,
    options: VolumeOptions | None = None,
    job: Job | None = None,
) -> VolumePrediction:
    """The object meant by the prompts, as the engine that the options name finds it."""
    options = options or VolumeOptions()
    return engine(options.engine).segment(predictor, volume, prompts, options, job or Job())
