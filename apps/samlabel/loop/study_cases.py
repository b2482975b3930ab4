"""The host's store as the trainer's policies see it; see `sam_trainer/active/cases.py`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from sam_infer.automatic.example import AcceptedCase
from sam_infer.serving.server_state import Serving
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.studies import Studies
from samlabel.label_names import LabelNames
from samlabel.loop.accepted_labels import accepted_labels
from samlabel.loop.examples import Examples
from samlabel.store.folder import StudyStore


class StudyCases:
    """The cases of a store, with the app's label names."""

    def __init__(self, store: StudyStore, studies: Studies, names: LabelNames) -> None:
        self._store = store
        self._names = names
        self.studies = studies
        self.labels = names.names

    def every(self) -> Collection[str]:
        """All cases."""
        names: list[str] = self._store.list_images()
        return names

    def labelled(self) -> Collection[str]:
        """Those with an accepted label."""
        names: list[str] = self._store.get_labeled_images()
        return names

    def unlabelled(self) -> Collection[str]:
        """Those without one."""
        names: list[str] = self._store.get_unlabeled_images()
        return names

    def path(self, case: str) -> Path:
        """A case's image; one in an archive is fetched."""
        return Path(self._store.get_image_uri(case))

    def accepted(self) -> list[AcceptedLabel]:
        """The accepted labels that count."""
        return accepted_labels(self._store, self.studies, self._names)

    def examples(self, serving: Serving) -> list[AcceptedCase]:
        """Images with accepted labels for automatic modes, the newest first."""
        return Examples(self._store, self._names, str(self.studies)).others(serving, None)
