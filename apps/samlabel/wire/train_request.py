"""Parses train requests: clients' words and habits end here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sam_trainer.config import BEST_OF, METHODS, TARGETS, TrainConfig
from sam_trainer.judging.policy import GatePolicy
from samlabel.config import flag
from samlabel.errors import ConfigError, RequestError

TRAINER = "sam"

# What 3D Slicer offers on its options page; a list is a choice, its first entry the default.
OPTIONS: dict[str, Any] = {
    "method": [*METHODS, BEST_OF],
    "minutes": TrainConfig.minutes,
    "epochs": TrainConfig.epochs,
    "steps": TrainConfig.steps,
    "rank": TrainConfig.rank,
    "seed": TrainConfig.seed,
    "promote": True,
    "resume": False,
}

NUMBERS = (
    "rank",
    "width",
    "slices",
    "epochs",
    "steps",
    "images",
    "objects",
    "decodes",
    "semantic_images",
    "semantic_steps",
    "unet_steps",
    "patience",
    "processes",
    "seed",
)
FRACTIONS = ("lr", "weight_decay", "max_gradient", "minutes")
GATE_NUMBERS, GATE_FRACTIONS = ("held_out_cases", "objects_per_case", "clicks"), ("margin", "least_gain")
SWITCHES = ("with_decoder", "decoder_adapters", "checkpointing", "certain", "promote", "resume")

# Who ordered a training, from where: put in by our route, for the process that trains.
ORDERED_BY, ORDERED_FROM = "ordered_by", "ordered_from"

# What the host and its clients put into every request.
HOSTS_OWN = {
    ORDERED_BY,
    ORDERED_FROM,
    "model",
    "client_id",
    "gpus",
    "multi_gpu",
    "local_rank",
    "bundle_path",
    "device",
    "user",
    TRAINER,
}


@dataclass(frozen=True)
class TrainOrder:
    """What to train, when its result may serve, and whether to go on with an interrupted training."""

    config: TrainConfig
    policy: GatePolicy
    resume: bool = False


def parse(request: Mapping[str, Any], model: str, policy: GatePolicy | None = None) -> TrainOrder:
    """The order in a request, the gate's `policy` where it says nothing; an unknown key is refused, not ignored."""
    policy = policy or GatePolicy()
    nested = request.get(TRAINER)
    given = {**request, **(nested if isinstance(nested, Mapping) else {})}
    given = {key: value for key, value in given.items() if key not in HOSTS_OWN and value is not None}
    known = {"method", "precision", "targets", *NUMBERS, *FRACTIONS, *GATE_NUMBERS, *GATE_FRACTIONS, *SWITCHES}
    unknown = sorted(set(given) - known)
    if unknown:
        raise RequestError(f"unknown parameter {unknown[0]!r}; known are {', '.join(sorted(known))}", unknown[0])
    values = {key: _value(key, value) for key, value in given.items()}
    gate = {key: values.pop(key) for key in (*GATE_NUMBERS, *GATE_FRACTIONS, "certain", "promote") if key in values}
    # 3D Slicer sends every option, changed or not: a promotion that the server leaves to people stays theirs
    gate["promote"] = policy.promote and gate.get("promote", True)
    resume = values.pop("resume", False)
    return TrainOrder(TrainConfig(model=model, **values), replace(policy, **gate), resume)


def _value(key: str, value: Any) -> Any:
    if key == "targets":
        return _targets(value)
    if isinstance(value, list) and value:
        value = value[0]  # a choice that nobody made comes as the whole list
    if key in ("method", "precision"):
        return str(value)
    if key in SWITCHES:
        try:
            return flag(key, str(value))
        except ConfigError as error:
            raise RequestError(str(error), key) from None
    kind = float if key in (*FRACTIONS, *GATE_FRACTIONS) else int
    try:
        number = kind(str(value))  # fields of forms are text
    except ValueError:
        what = "a number" if kind is float else "a whole number"
        raise RequestError(f"{key} must be {what}, got {value!r}", key) from None
    if number != number or number in (float("inf"), float("-inf")):
        raise RequestError(f"{key} must be a finite number, got {value!r}", key)
    return number


def _targets(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise RequestError(f"targets must be a list or a comma-separated text of {', '.join(TARGETS)}", "targets")
    return tuple(part.strip() for part in parts if part.strip())
