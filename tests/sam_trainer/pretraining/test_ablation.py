import json
from pathlib import Path

import pytest
import torch

from sam_infer.networks.tiny.model import TinySam
from sam_trainer.lessons.prompt_batch import BatchShape
from sam_trainer.pretraining.ablation import VARIANTS, ablate, silence, variants_table
from sam_trainer.pretraining.config import Leg, PretrainConfig


def test_every_variant_names_parts_of_the_model() -> None:
    model = TinySam()
    for parts in VARIANTS.values():
        for part in parts:
            model.get_submodule(part)


@torch.inference_mode()
def test_prompts_as_tokens_only_do_not_see_where_a_map_would_show_a_click() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = TinySam().eval()
    drawn: list[torch.Tensor] = []
    model.mask_decoder.look4.register_forward_pre_hook(lambda _m, given: drawn.append(given[0]))
    silence(model, VARIANTS["prompts as tokens only"])
    features = model.encode(torch.zeros(1, 3, 64, 64))
    for x in (10.0, 50.0):
        model.decode(features, torch.tensor([[[x, x]]]), torch.ones(1, 1))
    assert torch.equal(drawn[0], drawn[1])


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread", "in_float32")
def test_rows_are_merged_by_variant_and_printed(tmp_path: Path) -> None:
    report = tmp_path / "results" / "ablation.json"
    config = PretrainConfig(out=tmp_path, steps=1, legs=(Leg(1.0, BatchShape(64, 1, 2)),))
    ablate(config, ["everything"], report)
    rows = ablate(config, ["everything", "no likeness maps"], report)
    assert [row["variant"] for row in rows] == ["everything", "no likeness maps"]
    assert [row["variant"] for row in json.loads(report.read_text())["rows"]] == ["everything", "no likeness maps"]
    assert all(0 <= row[key] <= 1 for row in rows for key in ("box", "click", "click_oracle"))
    assert "\n| no likeness maps | 1 | 0." in variants_table(rows)
