"""The accepted labels of a store, as cases to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from monailabel.interfaces.datastore import Datastore

from sam_infer.errors import SamError
from sam_trainer.label_round import AcceptedLabel
from sam_trainer.studies import Case, described_cases
from samlabel.labels import LabelNames

log = structlog.get_logger(__name__)

FINAL = "final"


def accepted_labels(store: Datastore, studies: str, names: LabelNames) -> list[AcceptedLabel]:
    """Every image with an accepted label; one that cannot be fetched is left out with a line in the log."""
    folder = Path(studies)
    described = described_cases(folder) if folder.is_dir() else {}
    found = []
    for image_id in sorted(store.get_labeled_images()):
        try:
            image, label = Path(store.get_image_uri(image_id)), Path(store.get_label_uri(image_id, FINAL))
        except SamError as error:
            log.warning("accepted label left out", image=image_id, reason=str(error))
            continue
        info = store.get_image_info(image_id) or {}
        own = _names_in(store.get_label_info(image_id, FINAL) or {})
        known = described.get(image_id)
        labels = own or (dict(known.labels) if known else {}) or _configured(names)
        modality = str(info.get("Modality") or (known.modality if known else "unknown"))
        case = Case("studies", image_id, image, label, modality, labels, known.includes if known and not own else {})
        found.append(AcceptedLabel(case, str(info.get("PatientID") or "")))
    return found


def _names_in(info: dict[str, Any]) -> dict[int, str]:
    """Value to name from what a client sent with a label: the n-th entry names value n."""
    listed = info.get("label_info") or []
    return {n: str(entry["name"]) for n, entry in enumerate(listed, 1) if isinstance(entry, dict) and entry.get("name")}


def _configured(names: LabelNames) -> dict[int, str]:
    return {value: name for name, value in names.values.items()} if names.strict else {}
