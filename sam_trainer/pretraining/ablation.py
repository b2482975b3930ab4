"""Ablation study of the embedded model: short runs that differ in one part, on the same scenes."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sam_infer.networks.tiny.model import TinySam
from sam_trainer.lessons.losses import true_iou
from sam_trainer.lessons.prompt_batch import BatchShape, draw_batch, pad_clicks
from sam_trainer.pretraining.config import PretrainConfig
from sam_trainer.pretraining.run import new_state, take_step
from sam_trainer.process_group import ProcessGroup
from sam_trainer.reports.record import Report, command_line
from sam_trainer.simulation.clicks import centre_click, tight_box

# Parts that a variant silences, by the module whose output becomes zero.
VARIANTS: dict[str, tuple[str, ...]] = {
    "everything": (),
    "no likeness maps": ("mask_decoder.likeness",),
    "no prompts drawn as maps": ("mask_decoder.draw",),
    "prompts as tokens only": ("mask_decoder.draw", "mask_decoder.likeness"),
    "no image skips at strides 4 and 8": ("necks.0", "necks.1"),
    "no attention in the encoder": tuple(f"image_encoder.blocks.{i}.attn" for i in range(6)),
}

# Held-out scenes: another seed than any training run's.
HELD_OUT_SEED, HELD_OUT_BATCHES = 999, 12


def ablate(config: PretrainConfig, names: list[str], report: Path, command: str = "") -> list[dict[str, Any]]:
    """Train every named variant for `config.steps`; `report` gets what each reached on held-out scenes, one by one.

    Rows that `report` has of other variants stay; it is complete when every variant is there.
    """
    started, rows = time.time(), []
    known = json.loads(report.read_text())["rows"] if report.exists() else []
    merged = {row["variant"]: row for row in known}
    for name in names:
        rows.append(_run(config, name))
        merged[name] = rows[-1]
        complete = set(merged) >= set(VARIANTS)
        Report(command or command_line(), config.seed, list(merged.values()), started, complete=complete).write(report)
    return rows


def variants_table(rows: Sequence[dict[str, Any]]) -> str:
    """What every variant reached, as Markdown."""
    keys = ("box", "click", "click_oracle")
    lines = ["| variant | steps | Dice, box | Dice, one click | best of three |", "|---|---|---|---|---|"]
    for row in rows:
        values = [f"{row[key]:.3f}" for key in keys]
        lines.append(f"| {row['variant']} | {row['steps']} | {' | '.join(values)} |")
    return "\n".join(lines) + "\n"


def silence(model: nn.Module, parts: tuple[str, ...]) -> None:
    """Make the named modules answer zero, in the forward and so in the backward pass."""
    for part in parts:
        model.get_submodule(part).register_forward_hook(_zero)


def _zero(_module: nn.Module, _given: Any, answer: Any) -> Any:
    return tuple(0 * part for part in answer) if isinstance(answer, tuple) else 0 * answer


def _run(config: PretrainConfig, name: str) -> dict[str, Any]:
    steps = config.steps or 300
    state = new_state(replace(config, steps=steps))
    for model in (state.model, state.average):
        silence(model, VARIANTS[name])
    for step in range(steps):
        take_step(state, config, ProcessGroup(), step / steps)
    model = state.average.eval()
    if not isinstance(model, TinySam):
        raise TypeError(f"expected the embedded model, got {type(model).__name__}")
    shape = config.leg(0.0).shape
    return {"variant": name, "steps": steps, "images": state.counters.images, **examine(model, shape)}


@torch.inference_mode()
def examine(model: TinySam, shape: BatchShape) -> dict[str, float]:
    """Mean Dice of first answers on held-out scenes: a tight box, a click on the centre, its best candidate."""
    found: dict[str, list[Tensor]] = {"box": [], "click": [], "click_oracle": []}
    for index in range(HELD_OUT_BATCHES):
        batch = draw_batch(HELD_OUT_SEED, index, shape)
        features = {k: v.repeat_interleave(shape.objects, 0) for k, v in model.encode(batch.images).items()}
        masks = batch.truth.numpy()
        # what has ended has no place to be asked at
        there = np.flatnonzero(masks.any(axis=(1, 2)))
        masks, coverage = masks[there], batch.coverage[there]
        features = {k: v[there] for k, v in features.items()}
        boxes = torch.from_numpy(np.stack([tight_box(mask) for mask in masks]))
        nothing = torch.zeros(len(masks), 0, 2), torch.zeros(len(masks), 0)
        logits, _ = model.decode(features, *nothing, boxes)
        iou = true_iou(logits, coverage)
        found["box"].append(_dice(iou[:, 0]))
        points, labels = pad_clicks([[centre_click(mask)] for mask in masks])
        logits, scores = model.decode(features, points, labels)
        iou = true_iou(logits, coverage)
        best = scores[:, 1:].argmax(dim=1, keepdim=True)
        found["click"].append(_dice(iou[:, 1:].gather(1, best)[:, 0]))
        found["click_oracle"].append(_dice(iou[:, 1:].max(dim=1).values))
    return {key: round(float(torch.cat(values).mean()), 4) for key, values in found.items()}


def _dice(iou: Tensor) -> Tensor:
    return 2 * iou / (1 + iou)
