"""One learner: what accepted labels of one name have taught about correcting the network's answers to it.

A label is first asked (what would the fused answer have been?) and then learned: a few steps over the queue of the
last 32. A label that is taken back leaves the queue, and the learner is made anew from what remains, since no step can
be undone. The same labels in the same order make the same learner.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits

from sam_infer.arrays import BoolArray, Float32Array, Float64Array, UInt8Array
from sam_infer.networks.optimizer import PlainAdamW
from sam_trainer.online.fusion import curve, share_of
from sam_trainer.online.network import AuxNet

# Labels that are remembered; the oldest leaves first.
QUEUE = 32

# Steps for each label, their rate and decay. The paper takes one step at 5e-4 for each picture of streams that are a
# hundred times as long.
STEPS, RATE, DECAY = 4, 4e-3, 5e-4

# Labels of a step: the newest, and others of the queue in turn. The paper takes the whole queue, on a GPU.
DRAWN = 8

# Pictures that are learned from at once: between two such pieces a click gets through.
PIECE = 4

# Of the structure loss: how far an edge is seen, and how much more it counts.
EDGE, EDGE_WEIGHT = 15, 5.0

# A loss is the mean over all pixels of all pictures of a step.
SEED = 0


@dataclass(frozen=True, eq=False)
class Correction:
    """One accepted object as the learner sees it, and the label that it comes from."""

    case: str
    record: int  # of the ledger, from 1
    picture: UInt8Array  # (S, S, 3)
    logits: Float32Array  # (S, S), the network's, clipped
    truth: BoolArray  # (S, S)


def _fresh() -> AuxNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return AuxNet()


@dataclass(eq=False)
class Learner:
    """A network, its optimizer, the queue, and how the last labels went; one thread changes it."""

    network: AuxNet = field(default_factory=_fresh)
    samples: list[Correction] = field(default_factory=list)
    curves: list[Float64Array] = field(default_factory=list)
    taught: int = 0  # labels that were ever learned
    record: int = 0  # of the ledger: the last that was learned from

    def __post_init__(self) -> None:
        self.optimizer = PlainAdamW(self.network.parameters(), RATE, weight_decay=DECAY)

    @property
    def share(self) -> float:
        """The network's share in the next answer."""
        return share_of(self.curves)

    def says(self, picture: UInt8Array, logits: Float32Array) -> Float32Array:
        """Logits (S, S) of the learner alone."""
        return said(self.network, picture, logits)

    def frozen(self) -> AuxNet:
        """The network as it is now, for whoever asks while the learner goes on."""
        return copy.deepcopy(self.network).requires_grad_(False)

    def accept(self, samples: Sequence[Correction], pause: Callable[[], None] = lambda: None) -> None:
        """Learn the objects of one accepted case; `pause` is called between pieces of work.

        All of them are asked before one is learned: what helps on the next slice of a patient need not help on the next
        patient, and the share is for that one.
        """
        found = [curve(one.logits, self.says(one.picture, one.logits), one.truth) for one in samples]
        self.curves = [*self.curves, *found][-QUEUE:]
        for sample in samples:
            self.samples = [*self.samples, sample][-QUEUE:]
            self.learn(pause)
            self.taught += 1
            self.record = max(self.record, sample.record)

    def learn(self, pause: Callable[[], None] = lambda: None) -> None:
        """Steps over the queue: nothing new, seen again."""
        for step in range(STEPS if self.samples else 0):
            drawn = self._drawn(step)
            self.optimizer.zero_grad(set_to_none=True)
            for first in range(0, len(drawn), PIECE):
                pause()
                some = drawn[first : first + PIECE]
                loss = _loss(self.network, some) * (len(some) / len(drawn))
                pause()
                loss.backward()
            self.optimizer.step()

    def _drawn(self, step: int) -> list[Correction]:
        """The newest label and others: which ones depends on nothing but how many were learned."""
        older = self.samples[:-1]
        picks = np.random.default_rng((SEED, self.taught, step)).permutation(len(older))[: DRAWN - 1]
        return [self.samples[-1], *(older[pick] for pick in picks)]


def rebuilt(samples: Sequence[Correction], record: int, pause: Callable[[], None] = lambda: None) -> Learner:
    """A learner made of labels in their order; those up to `record` of the ledger were all heard."""
    made = Learner()
    for _, some in groupby(samples, lambda sample: (sample.case, sample.record)):
        made.accept(list(some), pause)
    made.record = max(made.record, record)
    return made


@torch.inference_mode()
def said(network: AuxNet, picture: UInt8Array, logits: Float32Array) -> Float32Array:
    """What a network says about one picture (S, S, 3) and the logits (S, S) that go with it."""
    pictures = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    return np.asarray(network(pictures, torch.from_numpy(logits)[None, None])[0, 0].numpy())


def _loss(network: AuxNet, samples: Sequence[Correction]) -> Tensor:
    """Cross-entropy and IoU, both weighted towards edges, as F3Net has it; every pixel with its own weight."""
    pictures = torch.from_numpy(np.stack([s.picture for s in samples])).permute(0, 3, 1, 2).float()
    logits = torch.from_numpy(np.stack([s.logits for s in samples]))[:, None].float()
    truth = torch.from_numpy(np.stack([s.truth for s in samples]))[:, None].float()
    near = avg_pool2d(truth, 2 * EDGE + 1, 1, EDGE, count_include_pad=False)
    weight = 1.0 + EDGE_WEIGHT * (near - truth).abs()
    found = network(pictures, logits)
    entropy = binary_cross_entropy_with_logits(found, truth, reduction="none")
    crossed = (weight * entropy).sum((1, 2, 3)) / weight.sum((1, 2, 3))
    likely = torch.sigmoid(found)
    both, either = (weight * likely * truth).sum((1, 2, 3)), (weight * (likely + truth)).sum((1, 2, 3))
    return (crossed + 1 - (both + 1) / (either - both + 1)).mean()
