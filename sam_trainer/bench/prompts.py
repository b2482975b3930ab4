"""First-prompt bench: mask quality of the COSMOS prompt strategies, and of classical methods without a network.

Rules: `deployable` is the mask the user gets; `oracle` is the best of the proposed masks, known only to who has the
truth. `iou_error` is how far the network's opinion of its mask is from that mask's true IoU.
"""

from __future__ import annotations

from collections.abc import Iterator

from sam_infer.arrays import BoolArray
from sam_infer.slices.predictor import Prediction
from sam_trainer.bench import classical
from sam_trainer.bench.exam import Asked, Exam
from sam_trainer.bench.gallery import Gallery
from sam_trainer.measures.overlap import dice
from sam_trainer.reports.table import Observation
from sam_trainer.simulation.prompt_styles import drawn

DEPLOYABLE, ORACLE = "deployable", "oracle"

# Pictures are kept for these.
PICTURED = ("S2", "S5")


def measure(exam: Exam, gallery: Gallery) -> list[Observation]:
    """S2 to S6 and every baseline on every object."""
    return exam.each("prompts", lambda asked: [*_strategies(asked, gallery), *_baselines(asked)])


def _strategies(asked: Asked, gallery: Gallery) -> Iterator[Observation]:
    for strategy in ("S2", "S3", "S4", "S5", "S6"):
        prediction = asked.answer(drawn(asked.target.mask, strategy))
        quality = asked.quality(prediction.pixels)
        error = abs(prediction.score - quality["jaccard"])
        yield asked.observe({"strategy": strategy, "rule": DEPLOYABLE}, {**quality, "iou_error": error})
        closest = max(proposals(prediction), key=lambda mask: dice(mask, asked.target.mask))
        yield asked.observe({"strategy": strategy, "rule": ORACLE}, asked.quality(closest))
        if strategy in PICTURED:
            gallery.add(strategy, asked, prediction.pixels, quality["dice"])


def proposals(prediction: Prediction) -> list[BoolArray]:
    """The mask that was given, then all that were proposed (H, W)."""
    return [prediction.pixels, *(prediction.candidate_logits(n) > 0 for n in range(len(prediction.candidates.logits)))]


def _baselines(asked: Asked) -> Iterator[Observation]:
    """Ellipse and GrabCut get the box of S5; the walker and the growing region get the points of S2 and S4."""
    pixels, mask = asked.shown(), asked.target.mask
    box = drawn(mask, "S5").box
    if box is not None:
        yield _baseline(asked, "ellipse", classical.ellipse(box, (mask.shape[0], mask.shape[1])))
        yield _baseline(asked, "grabcut", classical.grabcut(pixels, box))
    for strategy in ("S2", "S4"):
        points = drawn(mask, strategy)
        walked = classical.walker(pixels, points.foreground, points.background)
        grown = classical.growing(pixels, points.foreground, points.background)
        yield _baseline(asked, f"random_walker_{strategy.lower()}", walked)
        yield _baseline(asked, f"region_growing_{strategy.lower()}", grown)


def _baseline(asked: Asked, name: str, mask: BoolArray) -> Observation:
    return asked.observe({"strategy": name, "rule": DEPLOYABLE}, asked.quality(mask))
