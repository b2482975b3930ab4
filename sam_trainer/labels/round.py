"""Dataset snapshot of one training round: labels copied and hashed at its start, split by patient for good.

Whether a case is held out depends on nothing but its patient (its own name where no patient is known), so a case that
judges adapters never teaches one, whatever is labelled later.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sam_infer.adapters.adapter import TaughtCase
from sam_infer.errors import VolumeError
from sam_infer.files import file_sha256
from sam_infer.imaging.image_file import suffix_of
from sam_infer.imaging.volume import Tags
from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import Case, labelled_image

TRAIN, VALIDATION, HELD_OUT = "train", "validation", "held_out"

# Of ten patients two judge and one watches for the moment to stop.
_BUCKETS = 10
_HELD_OUT_BELOW, _VALIDATION_BELOW = 2, 3

# Of so many patients who would teach, one may watch where more watchers are wanted.
_ONE_IN = 3

ROUND_FILE, LABEL_FOLDER = "round.json", "labels"


@dataclass(frozen=True)
class AcceptedLabel:
    """A case as it comes from the studies, and whose image it is."""

    case: Case
    patient: str = ""  # empty where nobody knows
    facts: Mapping[str, Any] = field(default_factory=dict)  # how the label came about, for the ledger


@dataclass(frozen=True)
class RoundCase:
    """A case of a round; its label is the round's own copy."""

    case: Case
    part: str
    label_sha256: str

    @property
    def record(self) -> TaughtCase:
        """What an adapter remembers of it."""
        return TaughtCase(self.case.name, self.label_sha256, self.part)


@dataclass(frozen=True)
class LabelRound:
    """A frozen set of labels, and the ones that could not be used."""

    cases: tuple[RoundCase, ...]
    left_out: tuple[str, ...] = ()  # a sentence each

    def of(self, part: str) -> list[Case]:
        """The cases of one part."""
        return [entry.case for entry in self.cases if entry.part == part]

    @property
    def labels(self) -> tuple[str, ...]:
        """Every name that the round's cases use."""
        return tuple(dict.fromkeys(name for entry in self.cases for _, name in sorted(entry.case.labels.items())))


def part_of(patient: str) -> str:
    """Which part a patient belongs to, for ever."""
    bucket = int.from_bytes(hashlib.sha256(f"samlabel split {patient}".encode()).digest()[:8]) % _BUCKETS
    if bucket < _HELD_OUT_BELOW:
        return HELD_OUT
    return VALIDATION if bucket < _VALIDATION_BELOW else TRAIN


def open_round(accepted: Sequence[AcceptedLabel], folder: Path, watching: int = 0) -> LabelRound:
    """Copy, check and freeze labels; what cannot be used is left out with a reason, and what remains must teach.

    Where fewer than `watching` patients validate, some who would teach do that in this round; two thirds teach.
    """
    if not accepted:
        raise TrainingError("there is no accepted label yet: submit at least one, then train", "studies")
    cases, left_out = [], []
    parts = _parts(accepted, watching)
    for entry in accepted:
        try:
            labelled_image(entry.case)
        except VolumeError as error:
            left_out.append(f"{entry.case.name} is left out: {error}")
            continue
        case = _copied(entry.case, folder / LABEL_FOLDER)
        cases.append(RoundCase(case, parts[_patient(entry)], file_sha256(case.label)))
    found = LabelRound(tuple(cases), tuple(left_out))
    if not found.of(TRAIN):
        held = len(found.cases)
        reason = "; ".join(left_out) or f"all {held} of them are kept to judge and to validate; label more cases"
        raise TrainingError(f"no accepted label is left to learn from: {reason}", "studies")
    _write(found, folder / ROUND_FILE)
    return found


def _patient(entry: AcceptedLabel) -> str:
    return entry.patient or entry.case.name


def _parts(accepted: Sequence[AcceptedLabel], watching: int) -> dict[str, str]:
    """The part of every patient; who judges never changes, who watches may, by a hash."""
    parts = {patient: part_of(patient) for patient in map(_patient, accepted)}
    teaching = sorted(
        (patient for patient, part in parts.items() if part == TRAIN),
        key=lambda patient: hashlib.sha256(f"samlabel watch {patient}".encode()).digest(),
    )
    lacking = watching - sum(part == VALIDATION for part in parts.values())
    moved = teaching[: max(0, min(lacking, len(teaching) // _ONE_IN))]
    return parts | dict.fromkeys(moved, VALIDATION)


def read_round(folder: Path) -> LabelRound:
    """The round that `open_round` froze; refused when its labels are no longer what they were."""
    try:
        facts = json.loads((folder / ROUND_FILE).read_text())
        cases = tuple(_round_case(entry) for entry in facts["cases"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"the round in {folder.name} cannot be read: start a new training", "resume") from error
    for entry in cases:
        if not entry.case.label.is_file() or file_sha256(entry.case.label) != entry.label_sha256:
            raise TrainingError(f"the round's label of {entry.case.name} was changed: start a new training", "resume")
    return LabelRound(cases, tuple(facts["left_out"]))


def _copied(case: Case, folder: Path) -> Case:
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"{case.name}{suffix_of(case.label)}"
    try:
        shutil.copyfile(case.label, copy)
    except OSError as error:
        raise TrainingError(f"the label of {case.name} could not be copied ({error.strerror})", "studies") from error
    return replace(case, label=copy)


def _write(found: LabelRound, path: Path) -> None:
    entries = [{**asdict(entry), "case": _case_facts(entry.case)} for entry in found.cases]
    path.write_text(json.dumps({"cases": entries, "left_out": found.left_out}, indent=1) + "\n")


def _case_facts(case: Case) -> dict[str, Any]:
    return {**asdict(case), "image": str(case.image), "label": str(case.label)}


def _round_case(facts: dict[str, Any]) -> RoundCase:
    case = dict(facts["case"])
    case["image"], case["label"] = Path(case["image"]), Path(case["label"])
    case["labels"] = {int(value): name for value, name in case["labels"].items()}
    case["includes"] = {int(value): tuple(inner) for value, inner in case["includes"].items()}
    case["tags"] = Tags(**case.get("tags", {}))
    return RoundCase(Case(**case), facts["part"], facts["label_sha256"])
