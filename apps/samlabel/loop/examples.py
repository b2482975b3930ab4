"""Accepted cases as examples for automatic modes: the only way from the studies to automatic answers.

The image that is asked about is left out by its name here and by its voxels in `sam_infer/automatic/example.py`.
A label of that image is read in one case only: the request names its tag.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from sam_infer.automatic.example import MOST_CASES, AcceptedCase, affordable
from sam_infer.errors import PromptError, SamError
from sam_infer.imaging.image_file import read_marked
from sam_infer.imaging.volume import Mask
from sam_infer.serving.server_state import Serving
from sam_trainer.labels.cases import described_cases
from sam_trainer.labels.ledger import QUARANTINED, WITHDRAWN, Ledger
from sam_trainer.studies import Studies
from samlabel.label_names import MAX_LABELS, LabelNames
from samlabel.store.folder import FINAL, StudyStore

log = structlog.get_logger(__name__)


class Examples:
    """The accepted labels of a studies folder, with the values of the app's labels."""

    def __init__(self, store: StudyStore, names: LabelNames, studies: str) -> None:
        self._store = store
        self._names = names
        self.studies = studies

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, in the order of their values."""
        return self._names.names

    @property
    def version(self) -> str:
        """Changes when an accepted case comes, goes, or gets another label; nothing is read for it."""
        said = [f"{name} {self._saved_at(name)}" for name in self._newest(None)[:MOST_CASES]]
        return hashlib.blake2b("\n".join([*self.names, *said]).encode(), digest_size=8).hexdigest()

    def others(self, serving: Serving, image_id: str | None) -> list[AcceptedCase]:
        """The newest accepted cases, without the one that is asked about; what cannot be read is left out."""
        return affordable(self._read(serving, self._newest(image_id)))

    def _newest(self, image_id: str | None) -> list[str]:
        left_out = {image_id, *not_counting(self.studies)}
        names = [name for name in self._store.get_labeled_images() if name not in left_out]
        return sorted(names, key=lambda name: (-self._saved_at(name), name))

    def named(self, serving: Serving, name: str, image_id: str | None) -> AcceptedCase:
        """One accepted case by its name; refused where it is the one that is asked about, or teaches nobody."""
        if name == image_id:
            raise PromptError("a case cannot be seeded from itself: name another one", "seed_from")
        if name not in self._store.get_labeled_images() or name in not_counting(self.studies):
            raise PromptError(f"there is no accepted label of a case {name[:80]!r}", "seed_from")
        mask, phase = self._marked(name, FINAL)
        return AcceptedCase(serving.volume(Path(self._store.get_image_uri(name)), phase), mask)

    def _read(self, serving: Serving, names: Sequence[str]) -> Iterator[AcceptedCase]:
        for name in names:
            try:
                mask, phase = self._marked(name, FINAL)
                if mask.array.any():
                    yield AcceptedCase(serving.volume(Path(self._store.get_image_uri(name)), phase), mask)
            except SamError as error:
                log.warning("accepted case left out", image=name, reason=str(error))

    def earlier(self, image_id: str | None, tag: str) -> Mask:
        """A stored label of the image itself, because the request names its tag."""
        if image_id is None:
            raise PromptError("an upload has no stored labels: send the prior as the file part 'label'", "prior_tag")
        return self._marked(image_id, tag)[0]

    def _marked(self, image_id: str, tag: str) -> tuple[Mask, int | None]:
        """A stored label map with the app's values; of an image in time one phase of it, and which."""
        mask, phase = read_marked(Path(self._store.get_label_uri(image_id, tag)))
        info = self._store.get_label_info(image_id, tag) or {}
        named = _named(info.get("label_info"), self._described(image_id))
        return self._names.renumbered(mask, named), phase

    def _saved_at(self, image_id: str) -> int:
        return int((self._store.get_label_info(image_id, FINAL) or {}).get("ts") or 0)

    def _described(self, image_id: str) -> Mapping[int, str]:
        """The names of values that `dataset.json` gives for an image; none where it says nothing."""
        folder = Path(self._store._datastore_path)
        case = described_cases(folder).get(image_id) if (folder / "dataset.json").is_file() else None
        return case.labels if case is not None else {}


def not_counting(studies: str) -> set[str]:
    """Cases whose label a person took back, or must look at first: it stays where it is and teaches nobody."""
    return {
        case for case, last in Ledger.of(Studies.of(studies)).last().items() if last.event in (WITHDRAWN, QUARANTINED)
    }


def _named(listed: Any, described: Mapping[int, str]) -> Mapping[int, str]:
    """Names of values: what came with the label first; its n-th entry names value n."""
    if isinstance(listed, Sequence) and not isinstance(listed, str):
        found = {
            number: str(entry["name"])
            for number, entry in enumerate(listed, 1)
            if number <= MAX_LABELS and isinstance(entry, dict) and entry.get("name")
        }
        if found:
            return found
    return {value: name for value, name in described.items() if 0 < value <= MAX_LABELS}
