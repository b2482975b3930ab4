"""A store is encoded ahead, and an interrupted run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_infer.imaging.image_file import write_image
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.serving.server_state import Serving
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from samlabel.offline.encode_ahead import Precompute


@pytest.fixture
def store(tmp_path: Path, phantom: tuple[Volume, Mask]) -> dict[str, str]:
    paths = {name: tmp_path / f"{name}.nii.gz" for name in ("a", "b")}
    write_image(phantom[0], paths["a"])
    paths["b"].write_bytes(b"no image")
    return {name: str(path) for name, path in paths.items()}


def test_interrupted_it_goes_on_and_a_bad_file_stops_nothing(store: dict[str, str], tmp_path: Path, network) -> None:
    folder, told = tmp_path / "embeddings", []
    serving = Serving(Predictor(network, EmbeddingCache(folder=folder)))

    def work(stop_after: int) -> Precompute:
        told.clear()
        return Precompute(
            serving, store.__getitem__, lambda: None, lambda: len(told) >= stop_after, lambda *what: told.append(what)
        )

    first = work(10).run(["a", "b"])
    assert first.interrupted and (first.encoded, network.encodes) == (10, 10) and "go on" in first.sentence
    second = work(10_000).run(["b", "a"])
    assert (second.encoded, second.known, second.images, network.encodes) == (14, 10, 1, 24)
    assert list(second.failed) == ["b"] and told[-1] == ("a", 24, 24)
    restarted = Predictor(network, EmbeddingCache(folder=folder))
    serving.close()
    serving = Serving(restarted)
    assert work(10_000).run(["a"]).known == 24 and network.encodes == 24
    serving.close()
