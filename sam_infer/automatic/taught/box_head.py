"""A box head on the embedding finds the instances of each label: several lesions or cells of one kind.

Anchor-free: a small convolutional network says for each cell of a grid whether an object of a label has its middle
there, and how far its four edges are. It is trained on accepted slices, where an instance is a connected part of a
label; boxes that repeat a surer one are dropped. What a box shows is drawn by the promptable network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import nn

from sam_infer.arrays import Float32Array, UInt8Array
from sam_infer.automatic.taught.embedded_slice import EmbeddedSlice, embedding_maps
from sam_infer.errors import PromptError
from sam_infer.networks.backbone import Features
from sam_infer.networks.optimizer import PlainAdamW

WIDTH = 48

# Instances of fewer model pixels are fragments.
FEWEST_PIXELS = 6

# Looks at lessons in batches; after so many steps more of them gained nothing on procedural lesions.
STEPS, BATCH, RATE = 400, 4, 3e-3

# A middle counts within this share of the object's size, at least this many cells.
MIDDLE_SHARE, LEAST_REACH = 0.18, 0.7

# Two boxes that overlap more than this show one object.
SAME_OBJECT = 0.4

MOST_INSTANCES = 100

# Of an object's middle at the start of training: rare.
RARE = -3.0


@dataclass(frozen=True)
class Found:
    """An instance of a label: its box in model pixels (x0, y0, x1, y1), outer edges, and how sure the head is."""

    label: int  # place among the labels, from 0
    box: tuple[float, float, float, float]
    score: float


class BoxHead:
    """The trained head; `threshold` is where it makes fewest mistakes on what it has learned from."""

    def __init__(self, side: int, size: int, labels: int, channels: int) -> None:
        self.side, self.size, self.labels = side, size, labels
        self.threshold = 0.3
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self._net = nn.Sequential(
                nn.Conv2d(channels, WIDTH, 1),
                nn.ReLU(),
                nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(WIDTH, WIDTH, 3, padding=2, dilation=2),
                nn.ReLU(),
                last := nn.Conv2d(WIDTH, labels + 4, 1),
            )
            nn.init.constant_(dict(last.named_parameters())["bias"][:labels], RARE)

    @classmethod
    def learned(cls, labels: int, side: int, examples: Sequence[EmbeddedSlice]) -> BoxHead:
        """Trained on accepted slices, those without an object among them."""
        if not any(example.values.any() for example in examples):
            raise PromptError("there is no accepted case to learn from: accept a label first", "mode")
        looks = torch.stack([_looks(example.features, side) for example in examples])
        size = examples[0].values.shape[0]
        head = cls(side, size, labels, looks.shape[1])
        targets = [_targets(example.values, labels, side) for example in examples]
        heat, edges = (torch.stack(parts) for parts in zip(*targets, strict=True))
        head._train(looks, heat, edges)
        head.threshold = head._best_threshold(examples)
        return head

    @torch.inference_mode()
    def find(self, features: Features, threshold: float | None = None) -> list[Found]:
        """Instances on a new slice, the surest first."""
        least = self.threshold if threshold is None else threshold
        out = self._net(_looks(features, self.side)[None])[0]
        heat = torch.sigmoid(out[: self.labels])
        peaks = heat * (F.max_pool2d(heat[None], 3, 1, 1)[0] == heat)
        edges = out[self.labels :].exp()
        cell = self.size / self.side
        found = []
        for label, row, col in torch.nonzero(peaks >= least).tolist():
            left, top, right, bottom = (edges[:, row, col] * cell).tolist()
            x, y = (col + 0.5) * cell, (row + 0.5) * cell
            box = (max(x - left, 0.0), max(y - top, 0.0), min(x + right, self.size), min(y + bottom, self.size))
            found.append(Found(label, box, float(peaks[label, row, col])))
        return _distinct(sorted(found, key=lambda one: (-one.score, one.label, one.box)))[:MOST_INSTANCES]

    def _train(self, looks: torch.Tensor, heat: torch.Tensor, edges: torch.Tensor) -> None:
        optimizer = PlainAdamW(self._net.parameters(), lr=RATE, weight_decay=1e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        order = torch.Generator().manual_seed(0)
        filled = torch.nonzero(heat.flatten(1).amax(1) > 0)[:, 0]
        for _ in range(STEPS):
            some = filled[torch.randint(len(filled), (BATCH - 1,), generator=order)]
            batch = torch.cat([some, torch.randint(len(looks), (1,), generator=order)])
            x, h, e = _turned(looks[batch], heat[batch], edges[batch], int(torch.randint(4, (1,), generator=order)))
            loss = _loss(self._net(x), h, e, self.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        self._net.requires_grad_(False).eval()

    def _best_threshold(self, examples: Sequence[EmbeddedSlice]) -> float:
        """Where misses and false alarms on the examples are fewest."""
        known = [(self.find(e.features, 0.1), instances(e.values, self.labels)) for e in examples]

        def mistakes(least: float) -> float:
            total = 0.0
            for found, truth in known:
                kept = [one for one in found if one.score >= least]
                hits = sum(any(o.label == label and iou(o.box, box) >= 0.4 for o in kept) for label, box in truth)
                total += len(truth) - hits + max(len(kept) - hits, 0)
            return total

        return min((0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5), key=lambda least: (mistakes(least), abs(least - 0.35)))


def instances(values: UInt8Array, labels: int) -> list[tuple[int, tuple[float, float, float, float]]]:
    """Connected parts of each label of a slice (S, S): the label's place and its box (x0, y0, x1, y1)."""
    found = []
    for label in range(labels):
        parts, _ = ndimage.label(values == label + 1)
        for number, where in enumerate(ndimage.find_objects(parts), 1):
            if where is None or int((parts[where] == number).sum()) < FEWEST_PIXELS:
                continue
            rows, cols = where
            box = (float(cols.start), float(rows.start), float(cols.stop), float(rows.stop))
            found.append((label, box))
    return found


def iou(first: Sequence[float], second: Sequence[float]) -> float:
    """Overlap of two boxes (x0, y0, x1, y1)."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (first, second)]
    return width * height / (sum(areas) - width * height)


def _distinct(found: Sequence[Found]) -> list[Found]:
    kept: list[Found] = []
    for one in found:
        if all(iou(one.box, other.box) <= SAME_OBJECT for other in kept):
            kept.append(one)
    return kept


def _looks(features: Features, side: int) -> torch.Tensor:
    """(C, side, side), channels of about unit size."""
    looks = embedding_maps(features, side)
    return looks / (looks.pow(2).mean().sqrt() + 1e-6)


def _targets(values: UInt8Array, labels: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Heat (labels, side, side), 1 at each middle; edges (4, side, side) in cells, 0 where no object is."""
    cell = values.shape[0] / side
    heat, edges = np.zeros((labels, side, side), np.float32), np.zeros((4, side, side), np.float32)
    rows, cols = np.mgrid[:side, :side] + 0.5
    for label, (x0, y0, x1, y1) in instances(values, labels):
        x0, y0, x1, y1 = (edge / cell for edge in (x0, y0, x1, y1))
        middle = ((y0 + y1) / 2, (x0 + x1) / 2)
        reach = [max(MIDDLE_SHARE * length, LEAST_REACH) for length in (y1 - y0, x1 - x0)]
        distance = ((rows - middle[0]) / reach[0]) ** 2 + ((cols - middle[1]) / reach[1]) ** 2
        bump: Float32Array = np.exp(-0.5 * distance).astype(np.float32)
        bump[min(int(middle[0]), side - 1), min(int(middle[1]), side - 1)] = 1.0
        near = (bump > 0.3) & (bump >= heat.max(axis=0))
        edges[:, near] = np.maximum(np.stack([cols - x0, rows - y0, x1 - cols, y1 - rows])[:, near], 0.1)
        heat[label] = np.maximum(heat[label], bump)
    return torch.from_numpy(heat), torch.from_numpy(edges)


def _turned(
    x: torch.Tensor, heat: torch.Tensor, edges: torch.Tensor, turn: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mirrored left to right (1), top to bottom (2) or both (3): what the embedding of a mirrored slice is, nearly."""
    axes = [axis for axis, bit in ((3, 1), (2, 2)) if turn & bit]
    order = [2 if turn & 1 else 0, 3 if turn & 2 else 1, 0 if turn & 1 else 2, 1 if turn & 2 else 3]
    return torch.flip(x, axes), torch.flip(heat, axes), torch.flip(edges, axes)[:, order]


def _loss(out: torch.Tensor, heat: torch.Tensor, edges: torch.Tensor, labels: int) -> torch.Tensor:
    """Penalty-reduced focal loss of the middles, and 1 - IoU of the boxes where one is."""
    logits, distances = out[:, :labels], out[:, labels:].clamp(max=6).exp()
    sure = torch.sigmoid(logits).clamp(1e-4, 1 - 1e-4)
    hit = heat == 1
    loss = -torch.where(hit, (1 - sure) ** 2 * sure.log(), (1 - heat) ** 4 * sure**2 * (1 - sure).log())
    count = hit.sum().clamp(min=1)
    where = edges.amax(dim=1) > 0
    if not bool(where.any()):
        return loss.sum() / count
    want, have = edges.movedim(1, -1)[where], distances.movedim(1, -1)[where]
    inner = torch.minimum(want, have)
    both = (inner[:, 0] + inner[:, 2]) * (inner[:, 1] + inner[:, 3])
    area = [(d[:, 0] + d[:, 2]) * (d[:, 1] + d[:, 3]) for d in (want, have)]
    return loss.sum() / count + (1 - both / (area[0] + area[1] - both)).mean()
