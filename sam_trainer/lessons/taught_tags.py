"""Which tags a training teaches, and cases by tag: all images of a step are of one, and the network is told which.

A tag is drawn by drawing a case, so that every case is shown equally often, whatever its tag. A case that has no tag,
or one that is not taught, teaches the part that all images share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sam_infer.errors import VolumeError
from sam_infer.imaging.volume import Tags, tag_word
from sam_trainer.methods.trainable import Trainable

# The commonest ones are taught: each has a part of its own in the file of an adapter.
MOST_TAGS = 16


class Tagged(Protocol):
    """A lesson, whatever it teaches."""

    @property
    def case(self) -> str:
        """Its case's name."""
        ...

    @property
    def tags(self) -> Tags:
        """Its case's tags."""
        ...


@dataclass(frozen=True)
class TaughtTags:
    """Names of tags, and whether they are domains or views; nothing is told where there are none."""

    facet: str = ""
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, facet: str, lessons: Iterable[Tagged], wanted: Sequence[str] = ()) -> TaughtTags:
        """Those of the lessons' cases, the commonest ones, or those that are wanted, which cases must have."""
        words = {lesson.case: lesson.tags.of(facet) for lesson in lessons}
        counted = Counter(word for word in words.values() if word)
        strange = [name for name in wanted if tag_word(name) not in counted]
        if strange:
            there = ", ".join(sorted(counted)) or "none at all"
            raise VolumeError(f"no case that teaches has the {facet} {strange[0]!r}; they have {there}", "tags")
        common = sorted(counted, key=lambda word: (-counted[word], word))[:MOST_TAGS]
        return cls(facet, tuple(wanted) or tuple(sorted(common)))

    def tag(self, tags: Tags) -> str:
        """The tag that an image with these tags teaches; nothing where that is the shared part."""
        said = tags.of(self.facet)
        return next((name for name in self.names if said and tag_word(name) == said), "")


NONE_TAUGHT = TaughtTags()


class CasesByTag:
    """The cases of some lessons, to be drawn for a step."""

    def __init__(self, taught: TaughtTags, lessons: Iterable[Tagged]) -> None:
        self._tells = bool(taught.names)
        self._tags: Mapping[str, str] = {lesson.case: taught.tag(lesson.tags) for lesson in lessons}
        self._every = list(self._tags)
        self._alike = {tag: [case for case in self._every if self._tags[case] == tag] for tag in self._tags.values()}

    def any(self, rng: np.random.Generator, like: str | None = None) -> str:
        """A case, where one was drawn already another one of its tag."""
        pool = self._every if like is None else self._alike[self._tags[like]]
        return pool[int(rng.integers(len(pool)))]

    def tell(self, network: Trainable, case: str) -> None:
        """Have a network know of which tag the images are that it is shown next."""
        if self._tells:
            network.told.tag = self._tags[case]
