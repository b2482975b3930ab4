"""Encoders in OpenVINO: torch's features under torch's name, kept for the next start; torch where that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sam_infer.networks.runtimes.openvino_encoder import MOST_KEPT, OpenVinoEncoder
from sam_infer.networks.runtimes.runtime import AUTO, KEPT, Runtime, installed
from sam_infer.networks.sam import SamBackbone
from sam_infer.networks.sam_modules import Sam
from sam_infer.networks.sam_vit import VitShape, build_vit, with_weights
from tests.processes import wait_until

pytestmark = pytest.mark.skipif(not installed(), reason="openvino is missing: pip install openvino")

SMALL = VitShape(96, 2, 2, (1,), 128)

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def network(seeded_weights: Callable[..., State]) -> Sam:
    """Two blocks, one of them with windows."""
    return with_weights(build_vit(SMALL), seeded_weights(build_vit(SMALL).state_dict()))


def ready(backbone: SamBackbone) -> OpenVinoEncoder:
    """Wait for the conversion."""
    encoder = backbone._encoder
    assert isinstance(encoder, OpenVinoEncoder)
    tried()
    assert encoder.is_ready
    return encoder


def tried() -> None:
    """Wait until no conversion is under way."""
    wait_until(lambda: not any(thread.name == "convert-encoder" for thread in threading.enumerate()), "it is converted")


def test_features_are_torch_s_under_the_same_name_and_the_next_start_reads_them(network: Sam, tmp_path: Path) -> None:
    plain = SamBackbone("small", network)
    nothing_kept = SamBackbone("small", network, runtime=Runtime(KEPT, tmp_path))
    assert isinstance(nothing_kept._encoder, OpenVinoEncoder) and not nothing_kept._encoder.is_ready
    converted = SamBackbone("small", network, runtime=Runtime(AUTO, tmp_path))
    frame = np.random.default_rng(0).integers(0, 255, (1, 128, 128, 3)).astype(np.uint8)
    wanted = plain.encode(frame)["embedding"]
    assert torch.equal(converted.encode(frame)["embedding"], wanted) or ready(converted).is_ready
    ready(converted)
    again = SamBackbone("small", network, runtime=Runtime(KEPT, tmp_path))
    for backbone in (converted, again):
        assert ready(backbone) and backbone.encoder_id == plain.encoder_id
        found = backbone.encode_all([frame, frame[:, ::-1].copy()])
        assert torch.allclose(found[0]["embedding"], wanted, atol=1e-4)
        assert not torch.allclose(found[1]["embedding"], wanted, atol=1e-2)


def test_many_threads_get_their_own_answers(network: Sam, tmp_path: Path) -> None:
    backbone = SamBackbone("small", network, runtime=Runtime(AUTO, tmp_path))
    ready(backbone)
    frames = [np.full((1, 128, 128, 3), 20 * n, np.uint8) for n in range(8)]
    alone = [backbone.encode(frame)["embedding"] for frame in frames]
    found: dict[int, torch.Tensor] = {}
    threads = [
        threading.Thread(target=lambda n=n: found.update({n: backbone.encode(frames[n])["embedding"]}))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(found[n], alone[n]) for n in range(8))


def test_what_is_damaged_is_made_again_what_cannot_be_converted_is_torch_s_and_old_ones_go(
    network: Sam, tmp_path: Path
) -> None:
    for n in range(MOST_KEPT + 1):
        (tmp_path / f"old{n}.xml").write_text("<net/>")
        (tmp_path / f"old{n}.bin").write_bytes(b"")
    damaged = OpenVinoEncoder(network.image_encoder, 128, tmp_path / "old1.xml")
    tried()
    assert (
        damaged.is_ready
        and len(list(tmp_path.glob("*.xml"))) == MOST_KEPT
        and (tmp_path / "old1.xml").stat().st_size > 100
    )

    class Strange(torch.nn.Module):
        """Python decides: another answer than what is traced."""

        calls = 0

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            Strange.calls += 1
            return image * Strange.calls

    strange = OpenVinoEncoder(Strange(), 8, tmp_path / "strange.xml")
    tried()
    assert not strange.is_ready and not (tmp_path / "strange.xml").exists()
    assert strange(torch.ones(1, 3, 8, 8)).shape == (1, 3, 8, 8)
