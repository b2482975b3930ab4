"""Calibrates the ranker of first clicks on accepted labels: how large objects of a label are, and which features tell.

Falls back to the ranker that came with the network where too little is labelled, and where the new one is not better on
cases that it was not fitted to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from sam_infer.imaging.volume import Volume
from sam_infer.job import Job
from sam_infer.networks.backbone import Hints
from sam_infer.slices.predictor import Predictor
from sam_infer.slices.rank import AMBIGUOUS, Shown
from sam_infer.weights.prompting import Ranker
from sam_trainer.judging.rank_fit import Offered, fitted, mean_dice, sizes_of
from sam_trainer.labels.cases import Case, Target, case_tags, labelled_image, targets_of
from sam_trainer.labels.round import HELD_OUT, AcceptedLabel, part_of
from sam_trainer.measures.overlap import dice
from sam_trainer.simulation.prompt_styles import drawn

# A few labels say how large things are; what a mask must look like takes more.
LEAST_CASES = 5

# Objects per case: more say the same again.
OBJECTS = 3


def calibrated_ranker(predictor: Predictor, accepted: Sequence[AcceptedLabel], job: Job | None = None) -> Ranker | None:
    """The ranker of the network as it serves; None where the one that came with it stays."""
    shipped = predictor.backbone.prompting.ranker
    parts: dict[bool, list[Case]] = {True: [], False: []}
    for entry in accepted:
        parts[part_of(entry.patient or entry.case.name) == HELD_OUT].append(entry.case)
    if shipped is None or len(parts[False]) < LEAST_CASES:
        return None
    learning, judging = (_offered(predictor, parts[held], job or Job()) for held in (False, True))
    if not learning:
        return None
    sizes = sizes_of(learning)
    told = [one.with_sizes(sizes.get(one.label)) for one in judging]
    ranker = replace(fitted([one.with_sizes(sizes[one.label]) for one in learning], shipped), sizes=sizes)
    ranker = replace(ranker, cases=len(accepted))
    if told and mean_dice(told, ranker) < mean_dice(judging, shipped):
        return None
    return ranker


def _offered(predictor: Predictor, cases: Sequence[Case], job: Job) -> list[Offered]:
    """What is offered for one click on each of some objects of the cases."""
    found = []
    for case in cases:
        volume, _ = labelled_image(case)
        own, targets = predictor.about(partial(case_tags, case, volume)), targets_of(case)
        count = min(len(targets), OBJECTS)
        for target in (targets[int((n + 0.5) * len(targets) / count)] for n in range(count)):
            found.append(job.slice(partial(_asked, own, volume, target)))
    return found


def _asked(predictor: Predictor, volume: Volume, target: Target) -> Offered:
    view, prompts = target.view, drawn(target.mask, "S2").on(target.view)
    answer = predictor.predict(volume, prompts, view.index)
    hints = Hints(answer.frame.points_to_model(view.to_display(prompts.points)), prompts.labels)
    pixels = answer.window.apply(volume.pixels(view))
    shown = Shown.of(pixels, answer.frame, hints, view.pixel_mm, answer.candidates.logits.shape[-1])
    marks = [dice(answer.candidate_logits(n) > 0, target.mask) for n in range(AMBIGUOUS)]
    size = math.log(float(np.count_nonzero(target.mask)) * view.pixel_mm[0] * view.pixel_mm[1])
    return Offered.of(answer.candidates, shown, marks, (target.label, size))
