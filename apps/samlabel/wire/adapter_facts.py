"""Adapters as JSON for people and programs: provenance, verdict, calibration, alarm."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sam_infer.adapters.store import AdapterStore, StoredAdapter
from sam_infer.errors import AdapterError
from sam_infer.uncertainty.calibration import Calibration
from sam_trainer.judging.alarm import alarm_of
from sam_trainer.judging.calibrate import calibration_file


def overview(store: AdapterStore, base: str) -> list[dict[str, Any]]:
    """Every adapter, the newest first; one that is damaged, or not of the weights `base`, says so."""
    serving = store.pointer().adapter
    return [_short(store, stored, serving, base) for stored in reversed(store.adapters())]


def details(store: AdapterStore, beginning: str) -> dict[str, Any]:
    """Everything about one adapter: where it comes from and how it was judged."""
    name = store.find(beginning)
    provenance = store.get(name).provenance
    return {
        "adapter": name,
        "serves": store.pointer().adapter == name,
        "model": provenance.model,
        "base": provenance.base,
        "method": provenance.method,
        "settings": dict(provenance.settings),
        "seed": provenance.seed,
        "labels": list(provenance.labels),
        "cases": [{"case": c.case, "label_sha256": c.label_sha256, "part": c.part} for c in provenance.cases],
        "metrics": dict(provenance.metrics),
        "named_by": provenance.named_why or None,
        "versions": dict(provenance.versions),
        "bytes": _file(store, name).stat().st_size,
        "verdict": store.verdict(name),
        "alarm": alarm_of(store, name),
        "calibration": asdict(found) if (found := _calibration(store, name)).cases else None,
    }


def _short(store: AdapterStore, stored: StoredAdapter, serving: str | None, base: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "adapter": stored.id,
        "serves": stored.id == serving,
        "stored": stored.stored.isoformat(timespec="seconds"),
    }
    try:
        provenance, verdict = store.get(stored.id).provenance, store.verdict(stored.id)
    except AdapterError as error:
        return {**row, "damaged": str(error)}
    judged: dict[str, Any] = {} if verdict is None else {"gain": verdict.get("gain"), "verdict": verdict.get("reason")}
    alarm = alarm_of(store, stored.id)
    judged |= {} if alarm is None else {"alarm": alarm["sentence"]}
    judged |= {"named_by": provenance.named_why} if provenance.named_why else {}
    taught = sum(case.part == "train" for case in provenance.cases)
    tags = provenance.settings.get("tags")
    judged |= {"tags": tags} if tags else {}
    stale = {"stale": "trained on other weights: `samlabel adapters retrain`"} if provenance.base != base else {}
    return {**row, "method": provenance.method, "base": provenance.base, "taught_by": taught, **judged, **stale}


def _calibration(store: AdapterStore, name: str) -> Calibration:
    return Calibration.read(calibration_file(store.model, name, store.folder.parents[1]))


def _file(store: AdapterStore, name: str) -> Path:
    return next(stored.path for stored in store.adapters() if stored.id == name)
