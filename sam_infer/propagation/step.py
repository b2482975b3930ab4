"""One step of a propagation: the mask of one slice becomes the prompt of the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float64Array, Int64Array
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import Window
from sam_infer.networks.backbone import Hints, downscale_mask
from sam_infer.networks.frame import Frame, whole
from sam_infer.prompts.object_prompts import FOREGROUND, Prompts
from sam_infer.propagation.slice_result import Part, SliceAnswer
from sam_infer.slices.crop import ZoomPolicy, crop_around
from sam_infer.slices.predictor import Predictor

# More pieces than this are crumbs; the largest ones are followed.
MOST_PARTS = 4

# A piece below this share of the largest one, or below this many pixels, is not followed on its own.
CRUMB_SHARE, CRUMB_PIXELS = 0.04, 6

# A click that lies so deep in a piece, as a share of its greatest depth, is in its middle.
MIDDLE = 0.9


@dataclass(frozen=True)
class FollowPolicy:
    """How much a mask may change from one slice to the next, and how it is asked for."""

    box: bool | None = None  # give the box of the expected mask too; None leaves it to what the network learned
    box_margin: float = 0.0  # pixels added around that box
    prior_logit: float = 4.0  # how firmly the earlier mask is proposed
    points: bool = False  # also point at the middle of every piece


@dataclass(frozen=True, eq=False)
class Follower:
    """A network that looks at slices of one volume under one window."""

    predictor: Predictor
    volume: Volume
    axis: int
    window: Window
    zoom: ZoomPolicy | None
    policy: FollowPolicy

    def step(self, index: int, prior: BoolArray, allowed: BoolArray) -> SliceAnswer:
        """The object on slice `index`, given where it was on a neighbour; masks are (H, W)."""
        view = self.volume.view(self.axis, index)
        answers = [self._ask(view, piece) for piece in pieces(prior)]
        parts = tuple(part for part, _ in answers)
        areas = [float((part.logits > 0).sum()) + 1e-6 for part in parts]
        score = float(np.average([score for _, score in answers], weights=areas))
        return SliceAnswer.of_parts(view, parts, score, allowed)

    def corrected(self, before: SliceAnswer, allowed: BoolArray, said: Prompts) -> SliceAnswer:
        """The object on a slice, given what was found there and what the reader says: as a further click in 2D."""
        view, backbone = before.view, self.predictor.backbone
        points, labels = view.to_display(said.points), said.labels
        if not len(said.positive):  # a network that is told only what is not the object may find nothing
            points = np.concatenate([points, undisputed(before.pixels, points)])
            labels = np.append(labels, FOREGROUND)
        places = np.concatenate([np.stack(_extent(before.pixels)), points[labels == FOREGROUND]])
        low, high = places.min(axis=0), places.max(axis=0)
        frame = self._frame(view, low, high)
        logits = downscale_mask(frame.cut(before.logits), frame, backbone.low_res)
        box = frame.box_to_model(low, high) if self._boxed else None
        hints = Hints(frame.points_to_model(points), labels, box, logits)
        candidates = backbone.decode(self.predictor.features(self.volume, view, self.window, frame), hints)
        part = Part(frame, candidates.logits[candidates.preferred])
        return SliceAnswer.of_parts(view, (part,), float(candidates.scores[candidates.preferred]), allowed)

    def _frame(self, view: SliceView, low: Float64Array, high: Float64Array) -> Frame:
        shape = (view.height, view.width)
        crop = crop_around(low, high, shape, view.pixel_mm, self.zoom) if self.zoom is not None else None
        return self.predictor.backbone.frame(crop or whole(*shape), view.pixel_mm)

    def _ask(self, view: SliceView, piece: BoolArray) -> tuple[Part, float]:
        """One connected piece, and the score of the answer."""
        low, high = _extent(piece)
        margin, shape = self.policy.box_margin, (view.height, view.width)
        low, high = np.maximum(low - margin, 0), np.minimum(high + margin, np.asarray(shape) - 1.0)
        frame = self._frame(view, low, high)
        firm = self.policy.prior_logit
        prior = np.where(piece, firm, -firm).astype(np.float32)
        points, labels = self._points(piece)
        backbone = self.predictor.backbone
        hints = Hints(
            frame.points_to_model(points),
            labels,
            frame.box_to_model(low, high) if self._boxed else None,
            downscale_mask(frame.cut(prior), frame, backbone.low_res),
        )
        features = self.predictor.features(self.volume, view, self.window, frame)
        candidates = backbone.decode(features, hints)
        return Part(frame, candidates.logits[candidates.preferred]), float(candidates.scores[candidates.preferred])

    @property
    def _boxed(self) -> bool:
        """Whether the network is given a box beside a mask."""
        return not self.predictor.backbone.follows_masks if self.policy.box is None else self.policy.box

    def _points(self, piece: BoolArray) -> tuple[Float64Array, Int64Array]:
        """Displayed points (N, 2) and labels (N,): the middle of the piece, or none."""
        points = deepest(piece) if self.policy.points else np.zeros((0, 2))
        return points, np.ones(len(points), np.int64)


def deepest(mask: BoolArray) -> Float64Array:
    """The pixel (1, 2) farthest from the edge of a mask (H, W); of several the one nearest to their middle."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    best = np.argwhere(depth >= depth.max() - 1e-6)
    return np.asarray(best[[np.linalg.norm(best - best.mean(axis=0), axis=1).argmin()]], np.float64)


def undisputed(mask: BoolArray, clicks: Float64Array) -> Float64Array:
    """The pixel (1, 2) of a mask (H, W) that is safest from its edge and from background clicks (N, 2)."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    places = np.argwhere(mask)
    away = np.linalg.norm(places[:, None] - clicks[None], axis=-1).min(axis=1)
    safe = np.minimum(depth[mask], away / 2)
    return np.asarray(places[[safe.argmax()]], np.float64)


def denied(mask: BoolArray, clicks: Float64Array) -> bool:
    """Whether background clicks (N, 2) say that nothing of a mask (H, W) is the object.

    A click near an edge moves the edge; one in the very middle of the largest piece says that all of it is wrong.
    """
    numbered, count = ndimage.label(mask)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    places = tuple(clicks.astype(np.int64).T)
    hit = {
        int(n)
        for n, deep in zip(numbered[places], depth[places], strict=True)
        if n and deep >= MIDDLE * depth[numbered == n].max()
    }
    left = [n for n in range(1, count + 1) if n not in hit]
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)
    return bool(hit) and all(sizes[n] < CRUMB_SHARE * mask.sum() for n in left)


def pieces(mask: BoolArray) -> list[BoolArray]:
    """What of a mask (H, W) is asked for together: connected pieces, those whose boxes meet as one.

    The largest `MOST_PARTS` of them, crumbs left out; a mask of crumbs is one piece.
    """
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    if count <= 1:
        return [mask]
    sizes = np.bincount(labels.ravel())[1:]
    order = [n + 1 for n in np.argsort(-sizes, kind="stable")[:MOST_PARTS]]
    wanted = [n for n in order if sizes[n - 1] >= max(CRUMB_PIXELS, CRUMB_SHARE * sizes.max())]
    groups: list[BoolArray] = []
    for piece in (np.asarray(labels == n) for n in wanted):
        meeting = [group for group in groups if _boxes_meet(group, piece)]
        groups = [group for group in groups if not any(group is other for other in meeting)]
        groups.append(np.logical_or.reduce([piece, *meeting]))
    return groups or [mask]


def _extent(mask: BoolArray) -> tuple[Float64Array, Float64Array]:
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([rows[0], cols[0]], np.float64), np.array([rows[-1], cols[-1]], np.float64)


def _boxes_meet(first: BoolArray, second: BoolArray) -> bool:
    (low, high), (other_low, other_high) = _extent(first), _extent(second)
    return bool((np.maximum(low, other_low) <= np.minimum(high, other_high) + 1).all())
