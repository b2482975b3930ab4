"""Labels without a click over HTTP: modes, whole volumes, and what may never be looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.studies import Studies
from sam_trainer.synthetic.patients import Solid, block, ellipsoid, grid, render
from samlabel.label_names import LabelNames
from tests.samlabel.conftest import Answer, Server

NAMES = ("left", "right")
MODES = ("grid", "selfprompt", "atlas")


def patient(seed: int, shift: tuple[float, float, float]) -> tuple[Volume, Mask]:
    """Two bright blocks of their own size in a body, moved a little."""
    x, y, z = shift
    solids = [
        Solid(ellipsoid((0, 0, 0), (70, 55, 90)), 0, 30, 300),
        Solid(block((-46 + x, -16 + y, -30 + z), (-14 + x, 18 + y, 34 + z)), 1, 200, 800),
        Solid(block((16 + x, -20 + y, -36 + z), (44 + x, 8 + y, 26 + z)), 2, 200, 800),
    ]
    return render(solids, grid((48, 40, 16), (3.2, 3.2, 7.0)), "CT", np.random.default_rng(seed), noise=0.2)


CASES = {"case_a": (1, (0.0, 0.0, 0.0)), "case_b": (2, (4.0, -3.0, 5.0)), "case_c": (3, (-4.0, 3.0, -5.0))}


@pytest.fixture(scope="module")
def studies(server: Server, quick_heads: None) -> Iterator[Server]:
    """Three patients; two of them have accepted labels, the third one's is for the tests to know."""
    from samlabel.loop.examples import Examples

    store = server.app.datastore()
    tasks = [server.app.infer_task(name) for name in ("sam_auto", "sam_3d")]
    before = [(task, task.names, task.examples) for task in tasks]
    for task in tasks:
        task.names, task.examples = LabelNames(NAMES), lambda: Examples(store, LabelNames(NAMES), str(server.studies))
    for name, (seed, shift) in CASES.items():
        volume, mask = patient(seed, shift)
        write_image(volume, server.studies / f"{name}.nii.gz")
        if name != "case_c":
            write_mask(mask, server.studies / "labels" / "final" / f"{name}.nii.gz")
    store.refresh()
    yield server
    for name in CASES:
        store.remove_image(name)
    for task, names, examples in before:
        task.names, task.examples = names, examples


def ask(server: Server, image: str = "case_c", model: str = "sam_auto", **params: Any) -> Answer:
    return server.send(
        {"method": "POST", "path": f"/infer/{model}", "query": {"image": image}, "headers": {}, "params": params}
    )


def overlaps(mask: Mask, truth: np.ndarray) -> list[float]:
    return [
        2 * float(((mask.array == n) & (truth == n)).sum()) / float((mask.array == n).sum() + (truth == n).sum())
        for n in (1, 2)
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.slow
def test_accepted_cases_label_a_new_volume(studies: Server, mode: str, tmp_path: Path) -> None:
    answer = ask(studies, mode=mode, extent="volume")
    assert answer.status == 200, answer.facts
    assert min(overlaps(answer.mask(tmp_path), patient(*CASES["case_c"])[1].array)) > 0.75
    facts = answer.facts
    assert facts["mode"] == mode and facts["label_names"] == {"left": 1, "right": 2} and facts["slices"] == [0, 15]
    assert set(facts["scores"]) == set(NAMES) and facts["warnings"] == []


@pytest.mark.parametrize("seed", ["case_a", "best"])
def test_one_prompted_case_serves_another(studies: Server, seed: str, tmp_path: Path) -> None:
    """`sam_3d` without a prompt: the right block as an accepted case shows it."""
    answer = ask(studies, model="sam_3d", seed_from=seed, label="right")
    assert answer.status == 200, answer.facts
    found, truth = answer.mask(tmp_path).array > 0, patient(*CASES["case_c"])[1].array == 2
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.75
    facts = answer.facts
    assert facts["label_names"] == {"right": 1} and facts["seed_from"] == seed and 0.5 < facts["confidence"] <= 1


@pytest.mark.parametrize("mode", MODES)
def test_one_slice_by_default(studies: Server, mode: str, tmp_path: Path) -> None:
    answer = ask(studies, mode=mode, slice=6)
    filled = np.flatnonzero(answer.mask(tmp_path).array.any(axis=(0, 1)))
    assert answer.status == 200 and filled.tolist() == [6] and answer.facts["slices"] == [6, 6]


@pytest.mark.parametrize("mode", ["best", "propose", *MODES])
def test_no_mode_reads_the_label_of_the_case_it_answers(
    studies: Server, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Poison: the case gets a wrong accepted label, a copy under another name gets one too, and reading raises."""
    clean = ask(studies, mode=mode, extent="volume").mask(tmp_path).array
    store, volume = studies.app.datastore(), patient(*CASES["case_c"])[0]
    wrong = write_mask(
        Mask(np.full(volume.array.shape, 2, np.uint8, order="F"), volume.geometry), tmp_path / "w.nii.gz"
    )
    store.save_label("case_c", str(wrong), "final", {})
    write_image(volume, studies.studies / "copy_of_c.nii.gz")
    store.refresh()
    store.save_label("copy_of_c", str(wrong), "final", {})
    real = type(store).get_label_uri

    def guarded(self: Any, label_id: str, label_tag: str) -> str:
        if label_id == "case_c":
            raise AssertionError("the label of the case itself was asked for")
        return str(real(self, label_id, label_tag))

    monkeypatch.setattr(type(store), "get_label_uri", guarded)
    try:
        poisoned = ask(studies, mode=mode, extent="volume")
        assert poisoned.status == 200, poisoned.facts
        assert np.array_equal(poisoned.mask(tmp_path).array, clean) and clean.any()
    finally:
        monkeypatch.undo()
        store.remove_label("case_c", "final")
        store.remove_image("copy_of_c")


def test_best_goes_by_what_was_measured_on_accepted_cases(
    studies: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known at first; what the background counts is kept, said, and of the served network only."""
    from sam_trainer.proposals import measuring
    from sam_trainer.proposals.choice import CANDIDATES
    from samlabel.loop.best_modes import BestModes, choice_file

    before = ask(studies, mode="best", slice=6).facts["best"]
    assert {one["mode"] for one in before.values()} == {"selfprompt heads=trained"}
    assert all("not measured yet" in one["why"] for one in before.values())
    monkeypatch.setattr("sam_trainer.proposals.choice.CANDIDATES", CANDIDATES[:1])
    monkeypatch.setattr(measuring, "CANDIDATES", CANDIDATES[:1])
    task, file = studies.app.infer_task("sam_auto"), choice_file(Studies.of(studies.studies))
    modes = BestModes(task.examples())
    modes.renew(studies.app.serving, lambda: True)
    assert not file.exists()  # told to stop
    modes.renew(studies.app.serving, lambda: False)
    stamp = file.stat().st_mtime_ns
    modes.renew(studies.app.serving, lambda: False)
    assert file.stat().st_mtime_ns == stamp  # nothing has changed
    answer = ask(studies, mode="best", slice=6)
    told = answer.facts["best"]
    assert set(told) == set(NAMES) and all("2 accepted cases" in one["why"] for one in told.values())
    assert {one["mode"] for one in told.values()} == {"atlas"}
    assert np.array_equal(answer.mask(tmp_path).array, ask(studies, mode="atlas", slice=6).mask(tmp_path).array)
    file.write_text(file.read_text().replace(studies.app.serving.predictor.backbone.weights_id, "another"))
    assert ask(studies, mode="best", slice=6).facts["best"] == before


def test_a_withdrawn_label_teaches_nobody(studies: Server, tmp_path: Path) -> None:
    from sam_trainer.labels.ledger import Ledger

    ledger, store = Ledger.of(Studies.of(studies.studies)), studies.app.datastore()
    for name in ("case_a", "case_b"):
        ledger.accept(name, Path(store.get_label_uri(name, "final")), {})
        ledger.withdraw(name, {})
    answer = ask(studies, mode="atlas")
    assert answer.status == 422 and "no accepted label" in answer.facts["detail"]


def test_an_earlier_label_is_read_when_the_request_names_it(studies: Server, tmp_path: Path) -> None:
    volume, truth = patient(*CASES["case_c"])
    drawn = Mask(np.where(np.arange(16) == 8, truth.array, 0).astype(np.uint8, order="F"), volume.geometry)
    file = write_mask(drawn, tmp_path / "drawn.nii.gz")
    store = studies.app.datastore()
    store.save_label("case_c", str(file), "draft", {})
    answer = ask(studies, mode="grid", prior_tag="draft", extent="volume")
    assert answer.status == 200 and min(overlaps(answer.mask(tmp_path), truth.array)) > 0.8
    store.remove_label("case_c", "draft")
    request = {
        "method": "POST",
        "path": "/infer/sam_auto",
        "query": {"image": "case_c"},
        "headers": {},
        "params": {"mode": "grid", "extent": "volume"},
    }
    sent = studies.send(request, {"label": ("drawn.nii.gz", file.read_bytes())})
    assert np.array_equal(sent.mask(tmp_path).array, answer.mask(tmp_path).array)


def test_a_roi_limits_slices_and_pixels(studies: Server, tmp_path: Path) -> None:
    answer = ask(studies, mode="atlas", extent="volume", roi=[0, 47, 0, 39, 6, 9])
    found = answer.mask(tmp_path).array
    assert np.flatnonzero(found.any(axis=(0, 1))).tolist() == [6, 7, 8, 9] and answer.facts["slices"] == [6, 9]


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"mode": "magic"}, "propose, grid, selfprompt, detect, atlas"),
        ({"mode": "grid", "extent": "some"}, "slice, volume"),
        ({"mode": "atlas", "prior_tag": "draft"}, "takes no prior"),
        ({"mode": "grid", "prior_tag": "../final"}, "tag must be"),
        ({"mode": "grid", "roi": [0, 47, 0, 39, 2, 4], "slice": 9}, "outside the roi"),
        ({"image_id": "case_a"}, "image_id"),
    ],
)
def test_refusals_say_what_is_wrong(studies: Server, params: dict[str, Any], word: str) -> None:
    answer = ask(studies, **params)
    assert answer.status == 422 and word in json.dumps(answer.facts)


def test_a_missing_label_is_not_found_and_nothing_accepted_is_a_sentence(studies: Server) -> None:
    missing = ask(studies, mode="grid", prior_tag="nothing")
    assert missing.status == 404 and "no label with tag" in missing.facts["detail"]
    none = ask(studies, "l", mode="atlas")  # the only image here that is not CT
    assert none.status == 422 and "no accepted label of another image of modality OTHER" in none.facts["detail"]


def test_the_log_hears_of_long_work() -> None:
    from samlabel.tasks.job import Progress

    silent, told = Progress("quick", seconds=60), Progress("sam_3d", seconds=0)
    with structlog.testing.capture_logs() as lines:
        silent(3)
        told(2)
        told(5)
    assert [(line["request"], line["steps"]) for line in lines] == [("sam_3d", 2), ("sam_3d", 7)]
