"""Scores do not follow the scanner; scoring goes on where it stopped and knows what is old."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import spearmanr

from sam_infer.automatic.example import AcceptedCase
from sam_infer.imaging.canonical_view import CanonicalView
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import write_image
from sam_infer.imaging.volume import Volume
from sam_infer.job import CancelledError
from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.serving.activity import Activity
from sam_infer.slices.by_tag import ByTag
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.uncertainty.case_score import CaseScore, Scorer, ScoreSettings
from sam_trainer.active.score_table import ScoreTable
from sam_trainer.active.scoring import Scoring
from sam_trainer.synthetic.lesion_patients import Patient, picture


def patient(number: int, contrast: float = 1.0, kind: str = "node") -> Volume:
    return picture(Patient(kind, (6, number), contrast))[0]


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    teachers = []
    for number, kind in enumerate(("node", "rimmed", "node")):
        volume, mask = picture(Patient(kind, (5, number)))
        view = CanonicalView.of(volume, 2, 2)
        teachers.append(AcceptedCase(view.volume(volume), view.mask(mask)))
    predictor = Predictor(TinyBackbone.embedded(), EmbeddingCache())
    return Scorer(predictor, ("lesion",), teachers, ScoreSettings(slices=2))


def same(first: CaseScore, second: CaseScore) -> bool:
    return first.value == second.value and first.looks == second.looks and first.pull == second.pull


@pytest.mark.slow
def test_padding_and_repeated_slices_change_nothing(scorer: Scorer) -> None:
    volume = patient(1, 0.5)
    plain = scorer.score(volume, 2)
    assert plain.value is not None and 0 < plain.value < 1 and plain.slices and plain.found_mm3 > 0
    low = (7, 3, 4)
    moved = volume.geometry.affine.copy()
    moved[:3, 3] = volume.geometry.to_world(-np.array(low))[0]
    padded = np.pad(volume.array, ((7, 11), (3, 0), (4, 2)), constant_values=-1000)
    i, j, k = padded.shape
    in_air = scorer.score(Volume(np.asfortranarray(padded), Geometry((i, j, k), moved), "CT"), 2)
    assert same(in_air, plain) and [s - 4 for s in in_air.slices] == list(plain.slices)
    i, j, k = volume.geometry.shape
    repeated = Volume(np.repeat(volume.array, 2, axis=2), Geometry((i, j, 2 * k), volume.geometry.affine), "CT")
    again = scorer.score(repeated, 2)
    assert same(again, plain) and [s // 2 for s in again.slices] == list(plain.slices)


@pytest.mark.slow
def test_resampling_keeps_the_ranks(scorer: Scorer) -> None:
    """Finer pixels and twice as many slices are other numbers; the order of cases stays."""
    volumes = [patient(n, contrast) for n, contrast in enumerate((0.15, 0.3, 0.5, 0.75, 1.0, 1.2))]
    plain = [scorer.score(volume, 2).value for volume in volumes]
    finer = [scorer.score(resampled(volume, (1.5, 1.5, 2.0)), 2).value for volume in volumes]
    assert spearmanr(plain, finer).statistic >= 0.8


def resampled(volume: Volume, factors: tuple[float, float, float]) -> Volume:
    array = ndimage.zoom(volume.array, factors, order=1, grid_mode=True, mode="nearest")
    shape = np.array(volume.array.shape)
    affine = volume.geometry.affine.copy()
    scale = shape / np.array(array.shape)
    affine[:3, :3] = affine[:3, :3] * scale
    affine[:3, 3] = volume.geometry.to_world((scale - 1) / 2)[0]
    i, j, k = array.shape
    return Volume(np.asfortranarray(array), Geometry((i, j, k), affine), "CT")


@pytest.mark.slow
def test_less_visible_scores_higher_and_without_labels_a_case_is_only_embedded(scorer: Scorer) -> None:
    clear, faint = scorer.score(patient(1), 2), scorer.score(patient(1, 0.3), 2)
    assert clear.value is not None and faint.value is not None and faint.value > clear.value
    assert clear.expected_dice["lesion"] > faint.expected_dice["lesion"]
    bare = Scorer(scorer.predictor, ("lesion",), []).score(patient(1), 2)
    assert bare.value is None and bare.labels == {} and np.linalg.norm(bare.looks) == pytest.approx(1.0)


@pytest.mark.slow
def test_a_run_that_stopped_goes_on_and_old_scores_come_last(scorer: Scorer, tmp_path: Path) -> None:
    images = {name: write_image(patient(n), tmp_path / f"{name}.nii.gz") for n, name in enumerate("abc")}
    table = ScoreTable(tmp_path / "scores")
    scoring = Scoring(scorer, table)
    asked = iter([False, True])
    for stopped in scoring.run(images, should_stop=lambda: next(asked)):
        assert stopped.done == ["a"]
    *_, rest = scoring.run(images)
    assert rest.done == ["b", "c"] and rest.skipped == 1
    *_, nothing = scoring.run(images)
    assert nothing.done == [] and nothing.skipped == 3 and "3 were up to date" in nothing.sentence

    write_image(patient(9), images["b"])
    assert scoring.waiting(images) == ["b"]
    newer = Predictor(scorer.predictor.backbone, scorer.predictor.cache, adapter="a2")
    after = Scoring(Scorer(newer, scorer.labels, scorer.cases, scorer.settings), table)
    write_image(patient(8), tmp_path / "new.nii.gz")
    assert after.waiting({**images, "new": tmp_path / "new.nii.gz"}) == ["new", "a", "b", "c"]
    assert after.waiting({"a": None}) == ["a"] and scoring.waiting({"a": None}) == []


def test_a_case_is_scored_by_the_part_for_its_tag(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, asked = write_image(patient(1), tmp_path / "a.nii.gz"), []
    (tmp_path / "dataset.json").write_text('{"domain": "North"}')

    def score(own: Scorer, volume: Volume, axis: int) -> CaseScore:
        asked.append((own.predictor.tag, *(one.tag for one in own.settings.earlier)))
        return CaseScore(None)

    monkeypatch.setattr(Scorer, "score", score)
    network = scorer.predictor.backbone
    serves = replace(scorer.predictor, by_tag=ByTag("domain", ("north",), network, lambda _: network))
    own = replace(scorer, predictor=serves, settings=replace(scorer.settings, earlier=(serves, scorer.predictor)))
    Scoring(own, ScoreTable(tmp_path / "s")).one("a", image)
    assert asked == [("north", "north", "")]


def test_a_damaged_image_costs_one_case(scorer: Scorer, tmp_path: Path) -> None:
    good = write_image(patient(1), tmp_path / "good.nii.gz")
    bad = tmp_path / "bad.nii.gz"
    bad.write_bytes(b"no image")
    *_, found = Scoring(scorer, ScoreTable(tmp_path / "s")).run({"bad": bad, "good": good, "lost": None})
    assert found.done == ["good"] and set(found.failed) == {"bad", "lost"}
    assert found.sentence == "1 cases scored, 0 were up to date, 2 failed"


def test_a_case_that_is_called_off_has_not_failed(scorer: Scorer, tmp_path: Path) -> None:
    def called_off(path: Path) -> Volume:
        raise CancelledError(f"nobody waits for {path.name} any more")

    images = {"a": tmp_path / "a.nii.gz", "b": tmp_path / "b.nii.gz"}
    told = list(Scoring(scorer, ScoreTable(tmp_path / "scores.json"), read=called_off).run(images))
    assert not told or not told[-1].failed


def test_what_can_wait_waits_for_readers(tmp_path: Path) -> None:
    clock = [1000.0]
    server, scorer = Activity(tmp_path, lambda: clock[0]), Activity(tmp_path)
    assert not scorer.busy()
    server.note()
    assert scorer.busy(quiet=60)  # told through the file, by the real clock
    scorer.wait(should_stop=lambda: True, quiet=60)
    (tmp_path / "last-click").unlink()
    server.note()  # so soon that it is not told again
    assert not scorer.busy()
