"""What all infer tasks share: a reply for our own routes, and the host's contract of a file and a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferTask

from sam_infer.imaging.volume import Volume
from sam_infer.serving.server_state import Serving
from sam_infer.slices.by_tag import checked_tag
from sam_infer.slices.predictor import Predictor
from sam_trainer.labels.dataset_file import tags_of_image
from samlabel.access.identity import current_reader
from samlabel.label_names import LabelNames
from samlabel.online.learning import OnlineLearning
from samlabel.online.wish import WAYS, wanted
from samlabel.wire.phase_request import decode_phase, refuse_along
from samlabel.wire.reply import Reply

# Shown as a form by both clients, for every model: the tag of an image that does not say its own.
OPTIONS = {"tag": ""}

# Of models that may learn as they go.
ONLINE = {"online": ["auto", *WAYS]}

Earlier = Callable[[Predictor], Sequence[Predictor]]


class SamTask(InferTask):
    """One `Serving`, built at first use, and no file that a client could replace."""

    one_phase = True  # of an image in time: nothing is followed through the others

    def __init__(
        self,
        serving: Callable[[], Serving],
        names: LabelNames,
        config: Mapping[str, Any],
        online: Callable[[], OnlineLearning] | None = None,
        **described: Any,
    ) -> None:
        learns = ONLINE if online is not None else {}
        super().__init__(config={**config, **learns, **OPTIONS}, **described)
        self.serving = serving
        self.online = online
        self.names = names

    def is_valid(self) -> bool:
        """Whether clients may see it."""
        return True

    def reply(self, request: Mapping[str, Any]) -> Reply:
        """The mask and the JSON part; `request` holds the image's path, its id and what the client said."""
        raise NotImplementedError

    def opened(self, serving: Serving, request: Mapping[str, Any], begun: bool = False) -> Volume:
        """The image that a request is about, of one in time the phase; `begun`: as soon as a slice is there."""
        if self.one_phase:
            refuse_along(request, str(request.get("model") or "this model"))
        return serving.volume(request["image"], decode_phase(request), begun)

    def network(
        self, serving: Serving, request: Mapping[str, Any], volume: Volume, labels: Sequence[str] = ()
    ) -> Predictor:
        """What answers about labels: of several models the one that is best for them, of an adapter with parts by tag
        the one for the image, or for the tag that a request names."""
        tags = partial(tags_of_image, Path(request["image"]), volume)
        predictor = serving.predictor_for(labels, volume.modality)
        return predictor.about(tags, checked_tag(request.get("tag")))

    def learned(self, request: Mapping[str, Any], predictor: Predictor, labels: Sequence[str]) -> Predictor:
        """The same with what accepted labels taught since, where the request and the server want that."""
        if self.online is None or not wanted(request, self.online().choice.way):
            return predictor
        return self.online().refined(predictor, labels, current_reader())

    def earlier(self, serving: Serving, request: Mapping[str, Any], volume: Volume) -> Earlier:
        """Finds what earlier adapters hold for the image."""
        tags = partial(tags_of_image, Path(request["image"]), volume)
        return lambda serves: [one.about(tags) for one in serving.earlier(serves)]

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """As the host's batches want it: the mask's file (value 1, or 1..n) and the JSON part."""
        reply = self.reply(request)
        return str(reply.file()), reply.facts
