"""Manifests of how models want to be prompted."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_infer.errors import ModelError
from sam_infer.weights import prompting
from sam_infer.weights.catalogue import KNOWN_MODELS
from sam_infer.weights.prompting import PLAIN, Prompting, Ranker, RoundPrior, Sizes

RANKER = Ranker({"score": 1.5, "border": -2.0}, {"liver": Sizes(9.0, 0.4, 7)}, 7, {"own": 0.4, "ranked": 0.6})


def test_models_that_were_measured_are_shipped_with_a_manifest() -> None:
    for name in ("tiny", *{model.prompted_like for model in KNOWN_MODELS.values()} - {""}):
        found = Prompting.of(name)
        assert found.feeds_back and found.box_passes == 1 and found != PLAIN
    assert KNOWN_MODELS["medsam"].prompted_like == "" and Prompting.of("") == PLAIN


def test_a_ranker_is_kept_and_found_again(tmp_path: Path) -> None:
    file = tmp_path / "ranker-none.json"
    assert Ranker.read(file) is None
    RANKER.write(file)
    found = Ranker.read(file)
    assert found == RANKER and found.key == RANKER.key != Ranker().key
    file.write_text('{"weights": [1]}')
    assert Ranker.read(file) is None


def test_a_damaged_manifest_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompting.resources, "files", lambda package: tmp_path)
    Prompting(True, 2, RANKER, True, 2, True, RoundPrior(-1.0, 2.0, -3.0)).write(tmp_path / "prompting-x.json")
    assert Prompting.of("x") == Prompting(True, 2, RANKER, True, 2, True, RoundPrior(-1.0, 2.0, -3.0))
    assert Prompting.of("y") == PLAIN
    (tmp_path / "prompting-x.json").write_text("{}")
    with pytest.raises(ModelError, match=r"prompting-x.json is damaged"):
        Prompting.of("x")
