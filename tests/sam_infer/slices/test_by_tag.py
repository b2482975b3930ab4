"""Which part of an adapter answers about an image, and how many networks that takes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sam_infer.errors import PromptError
from sam_infer.imaging.volume import NO_TAGS, Tags
from sam_infer.slices.by_tag import MOST_NETWORKS, ByTag, checked_tag
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from tests.conftest import BrightNetwork


class Builder:
    """Makes networks, and counts them."""

    def __init__(self) -> None:
        self.built: list[str] = []

    def __call__(self, tag: str) -> Any:
        self.built.append(tag)
        return SimpleNamespace(weights_id=f"with {tag}")


def predictor(build: Builder, *taught: str) -> Predictor:
    shared: Any = SimpleNamespace(weights_id="shared")
    return Predictor(shared, EmbeddingCache(), by_tag=ByTag("domain", taught, shared, build))


def test_an_image_is_answered_by_the_part_for_its_tag_and_a_strange_one_by_the_shared_part() -> None:
    build = Builder()
    serves = predictor(build, "North", "south")
    north = serves.about(lambda: Tags("north", "sax"))
    assert (north.tag, north.backbone.weights_id, north.note) == ("North", "with North", "")
    assert north.known_as == serves.known_as == "shared"
    silent, strange = serves.about(lambda: NO_TAGS), serves.about(lambda: Tags("west"))
    assert silent.backbone is strange.backbone is serves.backbone and silent.tag == strange.tag == silent.note == ""
    assert strange.note == "nobody taught the domain 'west', only North, south: what was learned of all images answers"
    assert north.about(lambda: NO_TAGS).backbone is serves.backbone
    assert build.built == ["North"]


def test_who_names_a_tag_is_believed_or_refused() -> None:
    serves = predictor(Builder(), "north", "south")
    assert serves.about(lambda: Tags("north"), "SOUTH").tag == "south"
    with pytest.raises(PromptError, match="nobody taught the domain 'west': tag must be one of north, south, or be"):
        serves.about(lambda: Tags("north"), "west")


def test_networks_are_kept_as_long_as_few_are_in_use() -> None:
    build = Builder()
    names = [f"site{n}" for n in range(MOST_NETWORKS + 1)]
    serves = predictor(build, *names)
    for name in [*names[:-1], *names[:-1]]:
        assert serves.about(lambda: NO_TAGS, name).tag == name
    assert build.built == names[:-1]
    serves.about(lambda: NO_TAGS, names[-1])
    serves.about(lambda: NO_TAGS, names[1])
    assert build.built == names
    serves.about(lambda: NO_TAGS, names[0])
    assert build.built == [*names, names[0]]


def test_most_networks_know_of_no_tags_and_nobody_looks_for_any() -> None:
    serves = Predictor(BrightNetwork(), EmbeddingCache())

    def looked() -> Tags:
        raise AssertionError

    assert serves.about(looked) is serves and serves.known_as == serves.backbone.weights_id
    with pytest.raises(PromptError, match="the network that answers was taught no tags: leave tag out"):
        serves.about(looked, "north")


@pytest.mark.parametrize("said", [3, ["a"], True, "x" * 131])
def test_what_is_no_word_is_no_tag(said: object) -> None:
    with pytest.raises(PromptError, match="tag must be a text of at most 130 letters"):
        checked_tag(said)
    assert checked_tag(None) == checked_tag(" ") == "" and checked_tag(" A/B  c=1\n") == "a b c 1"
