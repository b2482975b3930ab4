"""Networks by tag: an adapter may hold parts for images of one domain or view alone, and a network serves one tag.

Who names a tag that nobody taught is refused. An image that has such a tag, or none, is answered by what was learned of
all images; of a strange one whoever asked is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sam_infer.errors import PromptError
from sam_infer.imaging.volume import LONGEST_TAG, Tags, tag_word
from sam_infer.lru_cache import LruCache
from sam_infer.networks.backbone import Backbone

# Networks besides the one for all images. They share the weights that their parts leave alone.
MOST_NETWORKS = 4


@dataclass(frozen=True, eq=False)
class TagPart:
    """What answers about an image."""

    backbone: Backbone
    tag: str = ""  # as the adapter calls it; nothing for what was learned of all images
    note: str = ""


@dataclass(frozen=True, eq=False)
class ByTag:
    """The parts of an adapter that are for one tag each; a network is made with one when it is first asked for."""

    facet: str  # what its tags are: domain or view
    taught: tuple[str, ...]
    shared: Backbone  # with no such part, for all other images
    build: Callable[[str], Backbone]
    _built: LruCache = field(default_factory=partial(LruCache, MOST_NETWORKS), repr=False)
    _building: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def part(self, tags: Tags, named: str = "") -> TagPart:
        """What answers about an image with these tags, one of which somebody may have named instead."""
        word, known = tag_word(named) or tags.of(self.facet), ", ".join(self.taught)
        tag = next((name for name in self.taught if word and tag_word(name) == word), None)
        if tag is not None:
            with self._building:  # two at a time would be twice the memory
                return TagPart(self._built.get(tag, lambda: self.build(tag)), tag)
        if named:
            raise PromptError(
                f"nobody taught the {self.facet} {word!r}: tag must be one of {known}, or be left out", "tag"
            )
        if not word:
            return TagPart(self.shared)
        note = f"nobody taught the {self.facet} {word!r}, only {known}: what was learned of all images answers"
        return TagPart(self.shared, note=note)


def part_for(parts: ByTag | None, tags: Callable[[], Tags], named: str = "") -> TagPart | None:
    """The part of a network's adapter for an image; None where it has none, and then nobody looks for tags."""
    if parts is not None:
        return parts.part(tags(), named)
    if named:
        raise PromptError("the network that answers was taught no tags: leave tag out", "tag")
    return None


def checked_tag(said: object) -> str:
    """A tag as somebody names it, empty where nobody does; refused where it is none."""
    word = "" if said is None else tag_word(said)
    if word is None:
        raise PromptError(f"tag must be a text of at most {LONGEST_TAG} letters, got {str(said)[:40]!r}", "tag")
    return word
