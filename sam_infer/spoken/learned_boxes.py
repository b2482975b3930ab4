"""Our text detector: where accepted cases have the label, and there the box head that they have taught.

The prior says where to look; the head, which is asked for one label at a time, says where it is on those slices. Where
the head sees nothing that fits, the prior's own box is the answer, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from sam_infer.automatic.detect import boxes_on
from sam_infer.automatic.example import AcceptedCase, others
from sam_infer.automatic.label_search import LabelSearch
from sam_infer.automatic.taught.box_head import Found
from sam_infer.errors import PromptError
from sam_infer.prompts.box_edits import box_on_slice
from sam_infer.prompts.object_prompts import Box
from sam_infer.spoken.label_prior import KnownCase, LabelPrior
from sam_infer.spoken.text_to_box import Located, Query

# Where along the expected box the head looks.
SHARES = (0.5, 0.35, 0.65)

# The prior says where to look, so that the head need not tell neighbours apart: coarse, it learns in seconds.
FINEST_SIDE = 32

# A box of the head farther from the expected middle than this share of its size is something else.
FAR = 1.5


@dataclass(frozen=True, eq=False)
class LearnedBoxes:
    """Boxes by what accepted cases teach; `beside` are boxes of labels that are drawn in this volume."""

    search: LabelSearch
    cases: Callable[[], Sequence[AcceptedCase]]  # read only where somebody names a label
    beside: Mapping[str, Box]

    def locate(self, query: Query) -> Located | None:
        """The label's box; None where no accepted case shows it."""
        if query.label not in self.search.labels:
            return None
        value, cases = self.search.labels.index(query.label) + 1, self.cases()
        try:
            teaching = [case for case in others(self.search.volume, cases) if (case.labels.array == value).any()]
        except PromptError:
            return None
        if not teaching:
            return None
        known = [self.search.memo.get(("boxes", case.digest), partial(KnownCase.of, case)) for case in teaching]
        beside = {self.search.labels.index(name) + 1: box for name, box in self.beside.items()}
        expected = LabelPrior(self.search.volume, known).expected(value, beside)
        return None if expected is None else self._seen(query, expected, teaching)

    def _seen(self, query: Query, expected: Box, cases: Sequence[AcceptedCase]) -> Located:
        """What the head sees near where the label is expected."""
        axis, best, place = query.axis, None, self.search.labels.index(query.label)
        for index in _slices(query, expected):
            flat = box_on_slice(expected, axis, index)
            for one in boxes_on(self.search, cases, index, FINEST_SIDE):
                if one.label != place:
                    continue
                box = self._stored(one, index)
                mark = one.score * _nearness(box, flat, axis)
                if best is None or mark > best[0]:
                    best = (mark, box, index)
        if best is not None and best[0] > 0:
            mark, box, index = best
            around = Box(np.minimum(expected.low, box.low), np.maximum(expected.high, box.high))
            return Located(around, box, index, mark, f"seen where {_told(cases)} it")
        index = _slices(query, expected)[0]
        why = f"not seen: the box is where {_told(cases)} it, look at it"
        return Located(expected, box_on_slice(expected, axis, index), index, 0.0, why)

    def _stored(self, found: Found, index: int) -> Box:
        """A box of the head, outer edges in pixels of the slice, as one of voxels."""
        view = self.search.view(index)
        x0, y0, x1, y1 = found.box
        low = np.clip(np.rint([y0, x0]), 0, (view.height - 1, view.width - 1))
        high = np.clip(np.rint([y1 - 1, x1 - 1]), low, (view.height - 1, view.width - 1))
        stored = np.rint(view.to_stored(np.stack([low, high]))).astype(np.int64)
        return Box.of(stored.min(axis=0), stored.max(axis=0))


def _slices(query: Query, expected: Box) -> list[int]:
    """The slice that the reader sees, where the label may be on it; else some of those where it is expected."""
    low, high = int(expected.low[query.axis]), int(expected.high[query.axis])
    margin = (high - low + 1) // 4
    if query.index is not None and low - margin <= query.index <= high + margin:
        return [query.index]
    return list(dict.fromkeys(round(low + share * (high - low)) for share in SHARES))


def _nearness(box: Box, expected: Box, axis: int) -> float:
    """1 where both boxes have one middle and size, 0 where they are far apart; in the slice."""
    plane = [a for a in range(3) if a != axis]
    size = (expected.high - expected.low + 1)[plane].astype(np.float64)
    apart = ((box.low + box.high) / 2 - (expected.low + expected.high) / 2)[plane] / size
    if float(np.abs(apart).max()) > FAR:
        return 0.0
    ratio = np.log(((box.high - box.low + 1)[plane]) / size)
    return float(np.exp(-0.5 * float((apart**2).sum()) * 4 - 0.25 * float((ratio**2).sum())))


def _told(cases: Sequence[AcceptedCase]) -> str:
    return "an accepted case has" if len(cases) == 1 else f"{len(cases)} accepted cases have"
