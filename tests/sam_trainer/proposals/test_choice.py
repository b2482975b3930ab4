"""Which mode is best for a label: fewest clicks, few spots borrow from all, nothing where a click is cheaper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sam_infer.automatic.best import PREVIOUS, Way
from sam_infer.automatic.modes import ModeOptions
from sam_infer.errors import PromptError
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.proposals.choice import ModeChoice, network_of, renewed
from sam_trainer.proposals.measuring import CANDIDATES, NOTHING, Counted
from tests.conftest import BrightNetwork


def counted(case: str, label: str, **better: int) -> Counted:
    """Five clicks after every way and four from nothing, but for some modes."""
    clicks = {way.name: better.get(way.mode, 5) for way in CANDIDATES}
    return Counted(case, label, {**clicks, NOTHING: better.get(NOTHING, 4)})


def test_each_label_gets_the_mode_that_leaves_fewest_clicks() -> None:
    spots = [counted(case, "liver", atlas=1) for case in "ab"] + [counted(case, "lesion", detect=0) for case in "ab"]
    chosen = ModeChoice("n", "l", spots).of(("liver", "lesion", "spleen"))
    assert chosen["liver"].way == Way("atlas") and chosen["lesion"].way == Way("detect")
    assert chosen["liver"].clicks == pytest.approx((2 * 1 + 2 * 3) / 4) and "2 accepted cases" in chosen["liver"].why
    assert chosen["lesion"].facts["mode"] == "detect" and chosen["lesion"].facts["clicks"] == 1.25
    assert chosen["spleen"].way == Way("detect") and "other labels" in chosen["spleen"].why


def test_nothing_is_proposed_where_a_click_is_cheaper() -> None:
    spots = [counted("a", "vessel", **{NOTHING: 2}), counted("b", "vessel", **{NOTHING: 2})]
    chosen = ModeChoice("n", "l", spots).of(("vessel",))["vessel"]
    assert chosen.way is None and chosen.facts["mode"] is None and "beginning with a click takes 2.0" in chosen.why


def test_a_little_saved_on_few_spots_is_nothing_saved() -> None:
    """Equal to a click, or better by a chance of one spot: no proposal, and it says so plainly."""
    for least in (4, 3):
        chosen = ModeChoice("n", "l", [counted("a", "liver", atlas=least)]).of(("liver",))["liver"]
        assert chosen.way is None and chosen.why.startswith("no mode saves clicks here, start with a click or a box")


def test_the_slice_beside_is_a_way_where_there_is_one() -> None:
    spots = [counted(case, "liver", atlas=2) for case in "ab"]
    beside = [replace(one, clicks={**one.clicks, PREVIOUS.name: 1}) for one in spots]
    chosen = ModeChoice("n", "l", beside).of(("liver",))["liver"]
    assert chosen.way == Way("atlas") and chosen.beside is not None and chosen.beside.way == PREVIOUS
    assert ModeChoice("n", "l", [*beside, spots[0]]).of(("liver",))["liver"].beside is None


def test_what_was_counted_on_the_image_itself_does_not_choose_for_it() -> None:
    spots = [counted("a", "liver", atlas=0), counted("b", "liver", grid=2)]
    assert ModeChoice("n", "l", spots).of(("liver",), without="a")["liver"].way == Way("grid")
    assert ModeChoice("n", "l", spots[:1]).of(("liver",), without="a") == {}


def test_a_way_that_was_refused_somewhere_is_not_chosen() -> None:
    one = counted("a", "liver", atlas=0)
    without = replace(one, case="b", clicks={name: n for name, n in one.clicks.items() if name != "atlas"})
    assert ModeChoice("n", "l", [one, without]).of(("liver",))["liver"].way != Way("atlas")


@pytest.mark.parametrize("way", CANDIDATES)
def test_a_way_is_its_name(way: Way) -> None:
    assert Way.of(way.name) == way


def test_a_name_says_only_what_is_not_as_usual() -> None:
    assert Way("atlas").name == "atlas" and Way("atlas", ModeOptions(atlases=3)).name == "atlas atlases=3"
    with pytest.raises(PromptError, match="heads must be"):
        Way.of("selfprompt heads=two")


def test_a_choice_is_kept_until_labels_or_network_are_others(
    network: BrightNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[int] = []

    def count(*_: object, **__: object) -> list[Counted]:
        times.append(1)
        return [counted("a", "liver", atlas=1)]

    monkeypatch.setattr("sam_trainer.proposals.choice.count", count)
    file, predictor = tmp_path / "home" / "best.json", Predictor(network, EmbeddingCache())
    first = renewed(file, "labels 1", predictor, ("liver",), list)
    assert ModeChoice.read(file) == first and first.network == network_of(predictor) and len(times) == 1
    assert renewed(file, "labels 1", predictor, ("liver",), list) == first and len(times) == 1
    renewed(file, "labels 2", predictor, ("liver",), list)
    renewed(file, "labels 2", replace(predictor, adapter="another"), ("liver",), list)
    assert len(times) == 3
    file.write_text("{}")
    assert ModeChoice.read(file) is None and ModeChoice.read(tmp_path / "none.json") is None
