"""`sam_auto`: labels without a click, on one slice or in the whole volume."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.automatic.modes import (
    SEMANTIC,
    atlas_labels,
    grid_labels,
    propose_labels,
    propose_on_slice,
    selfprompt_labels,
    warped_labels,
)
from sam_infer.automatic.semantic import semantic_labels
from sam_infer.serving.server_state import Serving
from samlabel.access.identity import current_reader
from samlabel.label_names import LabelNames
from samlabel.loop.examples import Examples
from samlabel.tasks.job import volume_job
from samlabel.tasks.slice_task import SamTask, model_facts, model_notes
from samlabel.wire import auto_request as auto_codec
from samlabel.wire import class_request as class_codec
from samlabel.wire import doubt_reply as uncertainty_reply
from samlabel.wire import reply as answer
from samlabel.wire.auto_request import AutoRequest

ORDER_ONLY = "regions are what the network is surest of, named in the order of the labels: check every name"


class SamAutoTask(SamTask):
    """A label map without a hint: what stands out, or what accepted cases say."""

    def __init__(self, serving: Callable[[], Serving], names: LabelNames, examples: Callable[[], Examples]) -> None:
        super().__init__(
            serving,
            names,
            type="segmentation",
            labels=names.values,
            dimension=3,
            description="Labels without a click: proposals, what accepted cases say (grid, selfprompt, atlas), or what "
            "an adapter has learned (semantic)",
            config=dict(auto_codec.OPTIONS),
        )
        self.examples = examples

    def __call__(self, request: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """The label map's file (values 1..n in the order of the labels) and the JSON part."""
        started = time.perf_counter()
        serving = self.serving()
        volume = serving.volume(Path(request["image"]))
        wanted = auto_codec.decode(request, volume.geometry)
        search = LabelSearch(
            serving.predictor,
            volume,
            wanted.axis,
            wanted.slices,
            self.names.names,
            wanted.window,
            wanted.limit,
            volume_job(serving, f"sam_auto {wanted.mode}"),
            serving.memo,
        )
        doubting = uncertainty_reply.asked(request, search.predictor, serving.earlier)
        found = self._found(search, wanted, request)
        computed = time.perf_counter() - started
        doubt = (
            {}
            if doubting is None
            else {
                uncertainty_reply.KEY: doubting.about(volume, found.mask, search.axis, search.labels, search.job.slice)
            }
        )
        file, written = answer.timed_file(found.mask, wanted.reply)
        notes = [*found.notes, *([volume.note] if volume.note else []), *model_notes(search.predictor)]
        return file, {
            "label_names": self.names.values,
            **model_facts(search.predictor),
            "mode": wanted.mode,
            **answer.place(volume.geometry, wanted.axis, wanted.start),
            "slices": [search.slices.start, search.slices.stop - 1],
            "scores": {name: round(score, 4) for name, score in found.scores.items()},
            "latencies": answer.milliseconds({wanted.mode: computed, "write": written}),
            "reader": current_reader(),
            "warnings": ([ORDER_ONLY] if wanted.mode == "propose" else []) + notes,
            **doubt,
        }

    def _found(self, search: LabelSearch, wanted: AutoRequest, request: Mapping[str, Any]) -> LabelMap:
        image_id: str | None = request.get("image_id")
        if wanted.mode == SEMANTIC:
            return semantic_labels(search, class_codec.decode_classes(request, self.names))
        if wanted.mode == "propose":
            whole = len(wanted.slices) > 1
            return propose_labels(search, wanted.start) if whole else propose_on_slice(search, wanted.start)
        if wanted.prior is not None:
            return grid_labels(search, wanted.prior)
        if wanted.prior_tag is not None:
            return grid_labels(search, self.examples().earlier(image_id, wanted.prior_tag))
        cases = self.examples().others(self.serving(), image_id)
        if wanted.mode == "grid":
            return grid_labels(search, warped_labels(search, cases))
        return atlas_labels(search, cases) if wanted.mode == "atlas" else selfprompt_labels(search, cases)
