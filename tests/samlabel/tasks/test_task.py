"""What every model does alike: it answers by the part of the adapter that is for the image's tag, and says so."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from sam_infer.serving.server_state import Serving
from sam_infer.slices.by_tag import ByTag
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from samlabel.offline.encode_ahead import Precompute
from tests.samlabel.conftest import Answer, Server
from tests.samlabel.region_growing import RegionGrowing

CLICK: dict[str, Any] = {"foreground": [[24, 12, 12]]}
MODELS: dict[str, dict[str, Any]] = {
    "sam_2d": CLICK,
    "sam_3d": {**CLICK, "roi": [0, 39, 0, 31, 11, 13]},
    "sam_multi": {"object": [[24, 12, 12]], "roi": [0, 39, 0, 31, 11, 13]},
    "sam_auto": {"mode": "propose", "slice": 12},
}
TAUGHT = ("north", "south")


def network(tag: str) -> RegionGrowing:
    made = RegionGrowing(f"encoder of {tag}")
    made.weights_id = f"weights of {tag}"
    return made


@pytest.fixture
def by_tag(server: Server) -> Iterator[Server]:
    """A server whose adapter holds parts for two domains."""
    shared, before = network("all"), server.app.serving
    parts = ByTag("domain", TAUGHT, shared, network)
    server.app.serving = Serving(Predictor(shared, EmbeddingCache(), adapter="a" * 64, by_tag=parts), prefetch=True)
    yield server
    server.app.serving.close()
    server.app.serving = before
    (server.studies / "dataset.json").unlink(missing_ok=True)


def said(server: Server, **facts: Any) -> None:
    """Write what the studies folder says of the image `l`."""
    (server.studies / "dataset.json").write_text(json.dumps({"cases": {"l": facts}}))


def ask(server: Server, model: str, **more: Any) -> Answer:
    params = {**MODELS[model], **more}
    return server.send(
        {"method": "POST", "path": f"/infer/{model}", "query": {"image": "l"}, "headers": {}, "params": params}
    )


@pytest.mark.parametrize("model", MODELS)
def test_the_part_for_the_image_answers_and_a_tag_that_is_named_goes_first(by_tag: Server, model: str) -> None:
    silent = ask(by_tag, model)
    assert silent.status == 200 and silent.facts["tag"] is None and silent.facts["weights"] == "weights of all"
    said(by_tag, domain="North")
    own = ask(by_tag, model)
    assert (own.facts["tag"], own.facts["weights"]) == ("north", "weights of north")
    assert own.facts["tags"] == ["north", "south"] and own.facts["facet"] == "domain"
    named = ask(by_tag, model, tag="south")
    assert (named.facts["tag"], named.facts["weights"]) == ("south", "weights of south")
    refused = ask(by_tag, model, tag="west")
    assert refused.status == 422 and refused.facts["field"] == "tag"
    assert refused.facts["detail"].startswith("nobody taught the domain 'west': tag must be one of north, south")
    assert ask(by_tag, model, tag=["north"]).status == 422
    said(by_tag, domain="west")
    strange = ask(by_tag, model)
    assert strange.facts["tag"] is None and strange.facts["weights"] == "weights of all"
    assert "nobody taught the domain 'west', only north, south" in " ".join(strange.facts["warnings"])


def test_classes_go_by_tags_too(by_tag: Server) -> None:
    request = {"method": "POST", "path": "/infer/sam_class", "query": {"image": "l"}, "headers": {}}
    answer = by_tag.send({**request, "params": {"tag": "west"}})
    assert answer.status == 422 and answer.facts["field"] == "tag"


def test_what_studies_say_wrongly_is_a_sentence(by_tag: Server) -> None:
    said(by_tag, domain=7)
    answer = ask(by_tag, "sam_2d")
    assert answer.status == 422 and "the domain of l must be a text" in answer.facts["detail"]


def test_encoded_slices_of_a_tag_are_its_own_ahead_of_clicks_and_beside_them(by_tag: Server) -> None:
    serving, image = by_tag.app.serving, str(by_tag.studies / "l.nii.gz")
    said(by_tag, domain="north")
    ahead = Precompute(serving, lambda _: image, lambda: None, lambda: False, lambda *_: None)
    assert ahead.run(["l"]).encoded == 24
    encodes = serving.predictor.cache.stats.encodes
    ask(by_tag, "sam_2d", zoom=False)
    assert serving.predictor.cache.stats.encodes == encodes  # the click found what was made for its tag
    ask(by_tag, "sam_2d", zoom=False, tag="south")
    serving.queue.submit(lambda: None, owner="").result()
    assert serving.predictor.cache.stats.encodes > encodes


def test_networks_without_such_parts_answer_as_ever(server: Server) -> None:
    said(server, domain=7)  # nobody looks
    os.utime(server.studies / "dataset.json")
    try:
        answer = ask(server, "sam_2d", tag="")
        assert answer.status == 200 and "tag" not in answer.facts
        refused = ask(server, "sam_2d", tag="north")
        assert refused.status == 422 and "was taught no tags: leave tag out" in refused.facts["detail"]
        assert server.client.get("/info/").json()["models"]["sam_2d"]["config"]["tag"] == ""
    finally:
        (server.studies / "dataset.json").unlink()
