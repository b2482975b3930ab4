"""What all infer tasks share: a reply for our own routes, and the host's contract of a file and a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferTask

from sam_infer.imaging.volume import Volume
from sam_infer.serving.server_state import Serving
from samlabel.label_names import LabelNames
from samlabel.wire.phase_request import decode_phase, refuse_along
from samlabel.wire.reply import Reply


class SamTask(InferTask):
    """One `Serving`, built at first use, and no file that a client could replace."""

    one_phase = True  # of an image in time: nothing is followed through the others

    def __init__(self, serving: Callable[[], Serving], names: LabelNames, **described: Any) -> None:
        super().__init__(**described)
        self.serving = serving
        self.names = names

    def is_valid(self) -> bool:
        """Whether clients may see it."""
        return True

    def reply(self, request: Mapping[str, Any]) -> Reply:
        """The mask and the JSON part; `request` holds the image's path, its id and what the client said."""
        raise NotImplementedError

    def opened(self, serving: Serving, request: Mapping[str, Any]) -> Volume:
        """The image that a request is about, of one in time the phase."""
        if self.one_phase:
            refuse_along(request, str(request.get("model") or "this model"))
        return serving.volume(request["image"], decode_phase(request))

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """As the host's batches want it: the mask's file (value 1, or 1..n) and the JSON part."""
        reply = self.reply(request)
        return str(reply.file()), reply.facts
