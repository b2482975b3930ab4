"""The accepted labels of a store, as cases to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from monailabel.interfaces.datastore import Datastore

from sam_infer.errors import SamError
from sam_trainer.label_round import AcceptedLabel
from sam_trainer.ledger import Ledger
from sam_trainer.studies import Case, described_cases
from samlabel.labels import LabelNames

log = structlog.get_logger(__name__)

FINAL = "final"

# What is kept of what a client says about a label.
ORIGIN = ("reader", "client_id", "model", "adapter", "algorithm_type", "label_info", "imported", "ts", "seconds")


def accepted_labels(store: Datastore, studies: str, names: LabelNames) -> list[AcceptedLabel]:
    """Every image with an accepted label, as the ledger keeps it.

    One that cannot be fetched is left out with a line in the log.
    """
    folder = Path(studies)
    described = described_cases(folder) if folder.is_dir() else {}
    present = sorted(store.get_labeled_images())
    found = []
    for image_id in present:
        try:
            image, label = Path(store.get_image_uri(image_id)), Path(store.get_label_uri(image_id, FINAL))
        except SamError as error:
            log.warning("accepted label left out", image=image_id, reason=str(error))
            continue
        about, info = store.get_image_info(image_id) or {}, store.get_label_info(image_id, FINAL) or {}
        own, known = _names_in(info), described.get(image_id)
        labels = own or (dict(known.labels) if known else {}) or _configured(names)
        modality = str(about.get("Modality") or (known.modality if known else "unknown"))
        case = Case("studies", image_id, image, label, modality, labels, known.includes if known and not own else {})
        found.append(AcceptedLabel(case, str(about.get("PatientID") or ""), _origin(info)))
    return Ledger.of(studies).recorded(found, present)


def note_label(store: Datastore, studies: str, image_id: str) -> None:
    """Put a label that was just saved into the ledger, if it is an accepted one.

    The label is safe in the store already: what goes wrong here is made up for when a training begins, and must not
    look to the reader like a label that was lost.
    """
    try:
        if image_id in store.get_labeled_images():
            info = store.get_label_info(image_id, FINAL) or {}
            Ledger.of(studies).accept(image_id, Path(store.get_label_uri(image_id, FINAL)), _origin(info))
    except (SamError, OSError) as error:
        log.error("the label is saved, but not in the ledger yet", image=image_id, reason=str(error))


def _origin(info: dict[str, Any]) -> dict[str, Any]:
    """Who accepted a label, and what proposed it, as far as the client said."""
    told = {key: info[key] for key in ORIGIN if info.get(key)}
    prompts = info.get("prompts")
    return {**told, "clicks": len(prompts)} if isinstance(prompts, list) else told


def _names_in(info: dict[str, Any]) -> dict[int, str]:
    """Value to name from what a client sent with a label: the n-th entry names value n."""
    listed = info.get("label_info") or []
    return {n: str(entry["name"]) for n, entry in enumerate(listed, 1) if isinstance(entry, dict) and entry.get("name")}


def _configured(names: LabelNames) -> dict[int, str]:
    return {value: name for name, value in names.values.items()} if names.strict else {}
