"""Arms of the few-shot bench: what trains in the network, and what names labels beside it.

lora           low-rank changes of the encoder, and nothing else: no decoder, no head
lora+decoder   the same with the mask decoder and the semantic head, as `samlabel train` does it
decoder, full  the mask decoder, or every weight, with the semantic head
untapped       as `decoder`, but the head sees the picture only, not the network's embedding
samed          as SAMed (arXiv 2304.13785): the mask decoder itself names labels; see `samed.py`
unet           a U-Net that was trained from nothing
bottleneck, sdtrans, fact3d, cine, lora_conv, domain_bank      a kind of adapter with decoder and head
lora_decoder, dense_prompt, hyper                              a kind that changes the decoder itself, with the head

Kinds are trained as `samlabel train --method KIND` does it, and compared with `lora+decoder`, which is its `lora`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sam_trainer.config import TrainConfig
from sam_trainer.errors import TrainingError

NONE, LORA, LORA_DECODER, DECODER, FULL = "none", "lora", "lora+decoder", "decoder", "full"
UNTAPPED, SAMED, UNET = "untapped", "samed", "unet"
ALL = "all"


@dataclass(frozen=True)
class Arm:
    """One way to learn; `step_seconds` of one core turn a budget into a number of steps.

    Steps are counted and not timed, so that a training can be repeated: `seconds` in a row say what they took, and a
    constant here that has become wrong shows there.
    """

    step_seconds: float
    method: str | None = None  # of `TrainConfig`; None: a network of its own
    with_decoder: bool = False
    names_labels: bool = True
    tapped: bool = True
    against: str | None = None  # the arm that it is compared with, beside no training and the U-Net

    def steps(self, budget: float) -> int:
        """How many steps a budget of seconds pays for."""
        return max(1, round(budget / self.step_seconds))

    def config(self, budget: float, seed: int, precision: str) -> TrainConfig:
        """The training, with what a round trains with; nothing ends it early, as no case is left to watch."""
        return TrainConfig(
            method=self.method or TrainConfig.method,
            with_decoder=self.with_decoder,
            epochs=1,
            steps=self.steps(budget),
            semantic_images=TrainConfig.semantic_images if self.names_labels else 0,
            precision=precision,
            seed=seed,
        )


# Seconds of one core of an AMD EPYC, in float32, with nothing beside it: `seconds` over `steps` of the rows say whether
# they still hold.
ARMS: Mapping[str, Arm] = {
    LORA: Arm(0.4, "lora", names_labels=False),
    LORA_DECODER: Arm(1.1, "lora", with_decoder=True),
    DECODER: Arm(1.05, "decoder"),
    FULL: Arm(1.25, "full"),
    UNTAPPED: Arm(1.05, "decoder", tapped=False, against=DECODER),
    SAMED: Arm(0.3, against=LORA_DECODER),
    UNET: Arm(0.29),
    **{
        kind: Arm(seconds, kind, with_decoder=True, against=LORA_DECODER)
        for kind, seconds in (
            ("bottleneck", 1.15),
            ("sdtrans", 2.2),
            ("fact3d", 1.95),
            ("cine", 1.95),
            ("lora_conv", 1.1),
            ("lora_decoder", 1.0),
            ("dense_prompt", 0.8),
            ("domain_bank", 1.1),
            ("hyper", 0.8),
        )
    },
}

# What `all` means: every kind of adapter, what they are compared with, and networks that train as a whole.
EVERY = tuple(arm for arm in ARMS if arm not in (LORA, UNTAPPED, SAMED))

DEFAULT = (LORA, LORA_DECODER, DECODER, FULL, UNET)


def choices(text: str) -> tuple[str, ...]:
    """Arms, as a command line gives them."""
    if text.strip() == ALL:
        return EVERY
    found = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    strange = [word for word in found if word not in ARMS]
    if strange or not found:
        raise TrainingError(f"methods must be {ALL}, or some of {', '.join(ARMS)}, got {text!r}", "methods")
    return found


def numbers(text: str) -> tuple[int, ...]:
    """Numbers of cases, as a command line gives them."""
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found or not all(word.isdecimal() and int(word) > 0 for word in found):
        raise TrainingError(f"cases must be numbers from 1 on, comma-separated, got {text!r}", "cases")
    return tuple(sorted({int(word) for word in found}))
