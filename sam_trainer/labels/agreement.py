"""Agreement of readers (inter-reader variability): Dice and normalised surface Dice, per label and pair of readers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import structlog

from sam_infer.errors import SamError
from sam_trainer.labels.ledger import Ledger
from sam_trainer.labels.readings import SideBySide, readings_of
from sam_trainer.measures.overlap import dice, nsd

log = structlog.get_logger(__name__)

# As everywhere here: two surfaces closer than that are one.
TOLERANCE_MM = 2.0

Row = dict[str, Any]


def agreement(readings: SideBySide) -> list[Row]:
    """Every pair of readers and every label that either of them marked."""
    rows = []
    spacing = readings.masks[0].geometry.spacing_mm
    for (n, one), (m, other) in combinations(enumerate(readings.parts), 2):
        for value, name in enumerate(readings.names, 1):
            a, b = one == value, other == value
            if a.any() or b.any():
                rows.append(
                    {
                        "label": name,
                        "first": readings.readers[n],
                        "second": readings.readers[m],
                        "dice": round(dice(a, b), 4),
                        "nsd": round(nsd(a, b, spacing, TOLERANCE_MM), 4),
                    }
                )
    return rows


def agreement_rows(ledger: Ledger) -> list[Row]:
    """The same of all cases with several readers, for reports; nothing where there are none."""
    rows: list[Row] = []
    for case, found in sorted(readings_of(ledger.records()).items()):
        if not found.several:
            continue
        decided = found.decision.reader if found.decision is not None else ""
        try:
            told = agreement(SideBySide.of(ledger, found.records))
        except SamError as error:
            log.warning("readings cannot be compared", case=case, reason=str(error))
            continue
        rows += [{"table": "agreement", "case": case, **row, "decided_by": decided} for row in told]
    return rows


def by_label(rows: Sequence[Row]) -> Iterator[Row]:
    """The mean of each label over cases and pairs, and on how many cases it stands."""
    of_label: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_label[row["label"]].append(row)
    for label, found in sorted(of_label.items()):
        means = {what: round(sum(row[what] for row in found) / len(found), 4) for what in ("dice", "nsd")}
        yield {"table": "agreement_by_label", "label": label, "cases": len({row["case"] for row in found}), **means}
