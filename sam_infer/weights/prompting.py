"""How a network wants to be prompted: one small manifest per model, beside the weights that come with the package.

    prompting-NAME.json    {"feeds_back": true, "ranker": {"features": {...}, "areas": {...}}, ...}

What is not said there is off: a model without a manifest is asked once and believed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from sam_infer.errors import ModelError
from sam_infer.files import write_whole


@dataclass(frozen=True)
class Sizes:
    """How large objects of one label are: mean and deviation of the logarithm of their area in mm2."""

    mean: float
    deviation: float
    objects: int


@dataclass(frozen=True)
class Ranker:
    """Linear choice among the candidates of a first click: the highest sum of weight times feature is shown.

    The features are those of `sam_infer/slices/rank.py`; one that has no weight does not count.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    sizes: Mapping[str, Sizes] = field(default_factory=dict)  # per label, of accepted cases
    cases: int = 0  # accepted ones that it was calibrated on; 0: as it came
    figures: Mapping[str, float] = field(default_factory=dict)  # what it was worth where it was judged

    @property
    def key(self) -> str:
        """What identifies the numbers."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """The numbers as they are stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Ranker:
        """The numbers as they were stored."""
        weights = {str(name): float(value) for name, value in facts["weights"].items()}
        sizes = {str(name): Sizes(**one) for name, one in facts.get("sizes", {}).items()}
        figures = {str(name): float(value) for name, value in facts.get("figures", {}).items()}
        return cls(weights, sizes, int(facts.get("cases", 0)), figures)

    def write(self, path: Path) -> None:
        """Keep it; appears whole."""
        write_whole(path, json.dumps(self.as_json(), indent=1, sort_keys=True) + "\n")

    @classmethod
    def read(cls, path: Path) -> Ranker | None:
        """What was kept; None where nothing was, or it is damaged."""
        try:
            return cls.from_json(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


@dataclass(frozen=True)
class RoundPrior:
    """How much the ellipse of a box counts beside the network's answer to that box: the logarithm of its weight.

    It is `base`, and so much more for each unit of Dice between the two, and of the network's own score.
    """

    base: float
    agreement: float
    score: float


@dataclass(frozen=True)
class Prompting:
    """How one network wants to be prompted."""

    feeds_back: bool = False  # every click sees the logits of the answer to the clicks before it
    box_passes: int = 1  # decodes of a box alone; the second sees the first one's mask
    ranker: Ranker | None = None  # None: the first click shows what the network itself scores highest
    thinks_twice: bool = False  # several clicks are decoded twice, the second time with the answer; their mean counts
    looks_again: int = 0  # decodes after the first of a single click, each told the answer before and its box
    looks_closer: bool = False  # those are of the crop that suits the box; costs an encode
    round_prior: RoundPrior | None = None  # None: the answer to a box is the network's alone

    @classmethod
    def of(cls, name: str) -> Prompting:
        """The manifest called `name`, as it came with the package."""
        file = resources.files("sam_infer.weights.shipped").joinpath(f"prompting-{name}.json")
        if not file.is_file():
            return PLAIN
        try:
            facts = json.loads(file.read_text())
            ranker = Ranker.from_json(facts["ranker"]) if facts["ranker"] is not None else None
            prior = RoundPrior(**facts["round_prior"]) if facts["round_prior"] is not None else None
            first = bool(facts["feeds_back"]), int(facts["box_passes"]), ranker, bool(facts["thinks_twice"])
            return cls(*first, int(facts["looks_again"]), bool(facts["looks_closer"]), prior)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"prompting-{name}.json is damaged: install the package again", "model") from error

    def write(self, path: Path) -> None:
        """Keep it; appears whole."""
        ranker = self.ranker.as_json() if self.ranker is not None else None
        prior = asdict(self.round_prior) if self.round_prior is not None else None
        facts = {**vars(self), "ranker": ranker, "round_prior": prior}
        write_whole(path, json.dumps(facts, indent=1, sort_keys=True) + "\n")


PLAIN = Prompting()
