"""An exam of the stand-in network on the small studies."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_infer.networks.backbone import Backbone
from sam_trainer.bench.exam import Exam
from sam_trainer.labels.cases import collect, read_sources


@pytest.fixture
def exam(network: Backbone, small_studies: Path) -> Exam:
    return headline_exam(network, small_studies)


@pytest.fixture
def short_exam(network: Backbone, small_studies: Path) -> Exam:
    """Four objects, for what does not count them."""
    return headline_exam(network, small_studies, limit=2)


def headline_exam(network: Backbone, studies: Path, limit: int | None = None) -> Exam:
    """The headline sources only: 11 objects, or so many of each of the two."""
    return Exam(network, collect([s for s in read_sources(studies) if s.headline], limit))
