"""Which cohort is made for which kind, and how it is asked there. The rival is always `lora`, taught and asked alike.

Every kind is alone here: no mask decoder trains beside it, and no head that names labels. Its budget is in seconds, as
everywhere in this bench, so a kind that looks at three slices takes fewer steps than one that looks at one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sam_trainer.bench.kinds.measures import BOTH_MEANINGS, ONE_CLICK, UNPROMPTED
from sam_trainer.bench.learning.arms import LORA, Arm


@dataclass(frozen=True)
class Proof:
    """What a kind should win on."""

    kind: str
    cohort: str
    idea: str  # for people: what the cohort asks of a network
    measure: str = ONE_CLICK


PROOFS = (
    Proof("bottleneck", "patches", "organs that look unlike any it has seen"),
    Proof("sdtrans", "through plane", "an object that no single slice shows"),
    Proof("fact3d", "through plane", "an object that no single slice shows"),
    Proof("cine", "moving", "an object that only its movement shows"),
    Proof("lora_conv", "scales", "a texture that is another at another scale"),
    Proof("lora_decoder", "rims", "an outline where no edge is"),
    Proof("dense_prompt", "middle one", "an object that nobody points at", UNPROMPTED),
    Proof("domain_bank", "two scanners", "sites that outline different things"),
    Proof("hyper", "meanings", "prompts that mean different things", BOTH_MEANINGS),
)

BY_KIND: Mapping[str, Proof] = {proof.kind: proof for proof in PROOFS}

# Seconds of one core for a step, as in `arms`, of what trains alone.
ALONE: Mapping[str, Arm] = {
    kind: Arm(seconds, kind, names_labels=False)
    for kind, seconds in (
        (LORA, 0.4),
        ("bottleneck", 0.45),
        ("sdtrans", 0.6),
        ("fact3d", 0.62),
        ("cine", 0.6),
        ("lora_conv", 0.45),
        ("lora_decoder", 0.48),
        ("dense_prompt", 0.3),
        ("domain_bank", 0.42),
        ("hyper", 0.3),
    )
}
