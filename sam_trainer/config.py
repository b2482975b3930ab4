"""Training configuration: method, rates, epochs and other settings of a training on accepted labels."""

from __future__ import annotations

from dataclasses import dataclass

from sam_infer.networks.runtimes.precision import AUTO, BFLOAT16, FLOAT32
from sam_infer.weights.available import MODEL_NAMES
from sam_trainer.errors import TrainingError

# bfloat16 takes half the memory and needs no scaling of losses; a lora step of tiny took 0.82 s with it on a CPU that
# knows it, 0.97 s in float32. One that does not know it imitates it, ten times as slowly: `auto` asks the machine.
PRECISIONS = (AUTO, BFLOAT16, FLOAT32)

# Layers that a low-rank change may go to; q, k and v share one fused projection, and convolutions are the decoder's.
TARGETS = ("q", "k", "v", "proj", "mlp", "conv")

# Peak learning rates: few parameters bear, and need, larger steps.
# With 2e-4 the decoder gained 0.003 Dice after one click from five procedural patients, with 1e-3 it gained 0.024.
# What is added to tokens of `tiny` must reach their size: in 40 to 60 steps on its cohort `hyper` went from 0.50 to
# 0.51 with 1e-3 and to 0.73 with 1e-2, `dense_prompt` from 0 to 0 with 1e-3 and to 0.91 with 5e-2, `lora_decoder` from
# 0.32 to 0.74 with 1e-2, `lora_conv` from 0.19 to 0.53 with 2e-2.
RATES = {
    "lora": 2e-3,
    "decoder": 1e-3,
    "full": 1e-4,
    "lora_decoder": 1e-2,
    "bottleneck": 1e-3,
    "dense_prompt": 5e-2,
    "fact3d": 1e-3,
    "sdtrans": 1e-3,
    "lora_conv": 2e-3,
    "domain_bank": 1e-3,
    "cine": 1e-3,
    "hyper": 1e-2,
}

# `sam_trainer.methods.method.ADAPTATIONS` says how each adapts a network; a test holds that the names are the same.
METHODS = tuple(RATES)

# Not one of them: the training that has several compete and keeps the best (`sam_trainer.training.contest`).
BEST_OF = "auto"

# Those that change the encoder and may train the mask decoder beside it; those that look at a stack of slices; those
# that learn something for images of one tag, and which of an image's tags that is; those that leave the encoder, and
# the embeddings that are kept, alone; and those that MobileSAM's encoder has places for.
BESIDE_DECODER = ("lora", "bottleneck", "fact3d", "sdtrans", "lora_conv", "domain_bank", "cine")
STACKED = ("fact3d", "sdtrans", "cine")
TAGGED = {"domain_bank": "domain", "cine": "view"}
KEEP_ENCODER = ("decoder", "dense_prompt", "hyper")
FOR_MOBILE_SAM = (*KEEP_ENCODER, "bottleneck", "domain_bank")

# Of its rank a quarter looks around, and that must be something.
LEAST_RANKS = {"lora_conv": 4}

# Slices of a stack, unless somebody asks for others: every slice costs as much as one alone.
STACK = 3

# Smallest and largest value of every number.
LIMITS: tuple[tuple[str, float, float], ...] = (
    ("rank", 1, 256),
    ("width", 0, 4096),
    ("slices", 0, 15),
    ("epochs", 1, 1000),
    ("steps", 1, 10_000),
    ("images", 1, 64),
    ("objects", 1, 64),
    ("decodes", 1, 16),
    ("semantic_images", 0, 64),
    ("semantic_steps", 1, 64),
    ("unet_steps", 0, 64),
    ("patience", 1, 1000),
    ("minutes", 0.1, 10_000),
    ("rate", 1e-8, 1.0),
    ("max_gradient", 1e-6, 1e6),
    ("weight_decay", 0.0, 1.0),
    ("processes", 1, 64),
)


@dataclass(frozen=True)
class TrainConfig:
    """One training; everything random in it depends on `seed`."""

    model: str = "tiny"
    method: str = "lora"
    rank: int = 4
    targets: tuple[str, ...] = ("q", "v")
    width: int = 0  # of inserted layers; 0: a share of the network's own
    slices: int = 0  # that the encoder looks at, odd; 0: the method's
    tags: tuple[str, ...] = ()  # that are taught: sites, scanners, views; none: those of the cases that teach
    decoder_adapters: bool = False  # bottleneck: in the mask decoder's blocks too
    with_decoder: bool = True  # beside a changed encoder: train the mask decoder too, as SAMed does (arXiv 2304.13785)
    checkpointing: bool = False  # encode blocks again for their gradients: slower, in less memory
    epochs: int = 12  # at most; of `auto` the minutes decide
    minutes: float = 30.0  # of `auto`, all methods together; reading and the verdict come on top
    steps: int = 16  # per epoch
    images: int = 2  # per step
    objects: int = 4  # per image
    decodes: int = 3  # answers to one object's growing prompts
    semantic_images: int = 4  # slices per step for the prompt-free head; 0 trains none
    semantic_steps: int = 2  # of that head per step: it starts from nothing, unlike the network beside it
    unet_steps: int = 1  # of the U-Net that is its rival, on as many slices: a quarter more time; 0 trains none
    lr: float | None = None  # None: the method's
    weight_decay: float = 0.01
    max_gradient: float = 1.0
    patience: int = 4  # epochs without a better validation before it ends
    precision: str = AUTO  # of the network's work; weights and their updates are always float32
    processes: int = 1  # that train together; each draws batches of its own
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of("model", self.model, MODEL_NAMES)
        _one_of("method", self.method, (*RATES, BEST_OF))
        _one_of("precision", self.precision, PRECISIONS)
        for target in self.targets:
            _one_of("targets", target, TARGETS)
        if not self.targets or len(set(self.targets)) != len(self.targets):
            raise TrainingError(f"targets must be different ones of {', '.join(TARGETS)}", "targets")
        for name, low, high in LIMITS:
            if not low <= getattr(self, name) <= high:
                raise TrainingError(f"{name} must be from {low} to {high}, got {getattr(self, name)}", name)
        self._require_method_fits()

    def _require_method_fits(self) -> None:
        """Refuse what the method has no use for, or the network no place."""
        if self.method == BEST_OF:
            self._require_choice_fits()
        elif self.model == "mobile_sam" and self.method not in FOR_MOBILE_SAM:
            known = ", ".join(FOR_MOBILE_SAM)
            raise TrainingError(f"mobile_sam can be trained with {known} only: its encoder is another", "method")
        least = LEAST_RANKS.get(self.method, 1)
        if self.rank < least:
            raise TrainingError(f"{self.method} needs a rank of at least {least}, got {self.rank}", "rank")
        if self.slices > 1 and (self.method not in (*STACKED, BEST_OF) or self.slices % 2 == 0):
            raise TrainingError(f"slices must be 1, or odd with one of {', '.join(STACKED)}", "slices")
        if self.tags and self.method not in (*TAGGED, BEST_OF):
            raise TrainingError(f"tags are for {', '.join(TAGGED)}", "tags")
        if len(set(self.tags)) != len(self.tags) or any(not tag or set(tag) & set("/=") for tag in self.tags):
            raise TrainingError("tags must be different words without / and =", "tags")
        if self.checkpointing and self.method == "domain_bank":  # by then it may have been told of another domain
            raise TrainingError("domain_bank cannot be trained with checkpointing", "checkpointing")

    def _require_choice_fits(self) -> None:
        """Refuse what several methods cannot share."""
        if self.lr is not None:
            raise TrainingError("auto takes no lr: every method has a rate of its own", "lr")
        if self.processes > 1:
            raise TrainingError("auto trains in one process: leave processes at 1", "processes")

    @property
    def rate(self) -> float:
        """The peak learning rate; of `auto` the first method's, for every method brings its own."""
        return RATES.get(self.method, RATES["lora"]) if self.lr is None else self.lr

    @property
    def facet(self) -> str:
        """Which of an image's tags the method goes by; nothing where it knows none."""
        return TAGGED.get(self.method, "")

    @property
    def depth(self) -> int:
        """Slices that the encoder looks at."""
        return self.slices or (STACK if self.method in STACKED else 1)

    @property
    def trains_encoder(self) -> bool:
        """Whether embeddings change; if not, they are computed once and kept."""
        return self.method not in KEEP_ENCODER


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise TrainingError(f"{name} must be one of {', '.join(known)}, got {value!r}", name)
