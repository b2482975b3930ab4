"""Accepted labels of a store as training cases, and their way into the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from monailabel.interfaces.datastore import Datastore

from sam_infer.errors import SamError
from sam_infer.imaging.image_file import read_mask
from sam_infer.imaging.volume import NO_TAGS
from sam_trainer.labels.cases import Case, described_cases
from sam_trainer.labels.edit_distance import Proposal, as_mask, edit_of
from sam_trainer.labels.intake import Making, TakenIn, recorded, take_in
from sam_trainer.labels.ledger import Ledger
from sam_trainer.labels.quarantine import Earlier
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.studies import Studies
from samlabel.label_names import LabelNames
from samlabel.loop.answers_given import Work, whole_map
from samlabel.store.archive_labels import prompts_digest

log = structlog.get_logger(__name__)

FINAL, ORIGINAL = "final", "original"

# What is kept of what a client says about a label.
ORIGIN = (
    "reader",
    "client_id",
    "model",
    "adapter",
    "algorithm_type",
    "label_info",
    "imported",
    "ts",
    "clicks",
    "seconds",
)


def accepted_labels(store: Datastore, studies: Studies, names: LabelNames) -> list[AcceptedLabel]:
    """Every image with an accepted label that counts, as the ledger keeps it.

    One that cannot be fetched is left out with a line in the log.
    """
    described = _described(studies)
    present = sorted(store.get_labeled_images())
    found = []
    for image_id in present:
        try:
            found.append(_accepted(store, image_id, names, described.get(image_id)))
        except SamError as error:
            log.warning("accepted label left out", image=image_id, reason=str(error))
    ledger = Ledger.of(studies)
    counting = recorded(ledger, found, present)
    for image_id in ledger.quarantine():
        log.warning("label in quarantine left out", image=image_id)
    return counting


def note_label(store: Datastore, studies: Studies, names: LabelNames, image_id: str, work: Work) -> TakenIn | None:
    """Put a label that was just saved into the ledger with the work that led to it; what the ledger says of it now.

    It was no new one where a draft was saved, or the same label again. None where there is no accepted label, or where
    something went wrong: the label is safe in the store already, this is made up for when a training begins, and must
    not look to the reader like a label that was lost.
    """
    try:
        if image_id not in store.get_labeled_images():
            return None
        entry = _accepted(store, image_id, names, _described(studies).get(image_id))

        def making() -> Making:
            return _making(entry.case, [*_batch_proposals(store, image_id), *work.proposals], work)

        return take_in(Ledger.of(studies), entry, making)
    except (SamError, OSError) as error:
        log.error("the label is saved, but not in the ledger yet", image=image_id, reason=str(error))
        return None


def accepted_case(store: Datastore, studies: Studies, names: LabelNames, image_id: str) -> Case:
    """An image with its accepted label, as the store has it."""
    return _accepted(store, image_id, names, _described(studies).get(image_id)).case


def _making(case: Case, proposals: list[Proposal], work: Work) -> Making:
    """What a reader did to proposals, and the proposals as a label map to compare with."""
    if not proposals:
        return Making()
    label = read_mask(case.label)
    last, edit = proposals[-1], edit_of(label, case.labels, proposals)
    facts: dict[str, Any] = {"model": last.model, "adapter": last.adapter, **work.facts()}
    if edit is not None:
        facts |= {"edit_distance": edit.distance, "edited_voxels": edit.voxels}
    proposed = as_mask(proposals, case.labels, label.geometry)
    return Making(facts, Earlier("its proposal", proposed, case.labels, proposal=True))


def _batch_proposals(store: Datastore, image_id: str) -> list[Proposal]:
    """What a batch laid under an image before any reader opened it."""
    info = store.get_label_info(image_id, ORIGINAL) or {}
    made = info.get("params")
    if not isinstance(made, dict):
        return []
    return whole_map(read_mask(store.get_label_uri(image_id, ORIGINAL)), {"model": info.get("model"), **made})


def _accepted(store: Datastore, image_id: str, names: LabelNames, known: Case | None) -> AcceptedLabel:
    """An image with its accepted label; `known` is what the studies' `dataset.json` says of it."""
    image, label = Path(store.get_image_uri(image_id)), Path(store.get_label_uri(image_id, FINAL))
    about, info = store.get_image_info(image_id) or {}, store.get_label_info(image_id, FINAL) or {}
    own = _names_in(info)
    labels = own or (dict(known.labels) if known else {}) or _configured(names)
    modality = str(about.get("Modality") or (known.modality if known else "unknown"))
    includes = known.includes if known and not own else {}
    case = Case("studies", image_id, image, label, modality, labels, includes, known.tags if known else NO_TAGS)
    return AcceptedLabel(case, str(about.get("PatientID") or ""), _origin(info))


def _described(studies: Studies) -> dict[str, Case]:
    here = not studies.is_archive and studies.folder.is_dir()
    return described_cases(studies.folder) if here else {}


def _origin(info: dict[str, Any]) -> dict[str, Any]:
    """Who accepted a label, and what proposed it, as far as the client said."""
    told = {key: info[key] for key in ORIGIN if info.get(key)}
    return {**told, "prompts_digest": prompts_digest(info["prompts"])} if info.get("prompts") else told


def _names_in(info: dict[str, Any]) -> dict[int, str]:
    """Value to name from what a client sent with a label: the n-th entry names value n."""
    listed = info.get("label_info") or []
    return {n: str(entry["name"]) for n, entry in enumerate(listed, 1) if isinstance(entry, dict) and entry.get("name")}


def _configured(names: LabelNames) -> dict[int, str]:
    return {value: name for name, value in names.values.items()} if names.strict else {}
