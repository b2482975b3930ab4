"""The choice of models as a file: which model answers about a label on images of a modality, and why."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sam_infer.errors import ModelError
from sam_infer.files import write_whole


@dataclass(frozen=True)
class ModelChoice:
    """The model that answers about a label on images of a modality, and why."""

    label: str
    modality: str
    model: str
    why: str
    when: str  # ISO 8601, UTC


@dataclass(frozen=True)
class ModelTable:
    """The choices, each label and modality once, and what they were judged by."""

    choices: tuple[ModelChoice, ...] = ()
    judged: str = ""  # changes with the networks that were compared and with the accepted labels

    def of(self, label: str, modality: str) -> ModelChoice | None:
        """Who answers; None where nobody but the main model does."""
        return next((one for one in self.choices if (one.label, one.modality) == (label, modality)), None)

    def with_choice(self, choice: ModelChoice) -> ModelTable:
        """The same with another answer for a label and a modality."""
        where = (choice.label, choice.modality)
        others = [one for one in self.choices if (one.label, one.modality) != where]
        return replace(self, choices=tuple(sorted([*others, choice], key=lambda one: (one.label, one.modality))))

    @classmethod
    def read(cls, file: Path) -> ModelTable:
        """What `file` says, nothing where there is none; a damaged one is refused."""
        try:
            facts = json.loads(file.read_text())
            return cls(tuple(ModelChoice(**choice) for choice in facts["choices"]), str(facts["judged"]))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"the choice of models in {file.name} is damaged: delete it, or choose again with "
                "`samlabel models choose`",
                "model",
            ) from error

    def write(self, file: Path) -> None:
        """Keep it, whole or not at all."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, json.dumps(asdict(self), indent=1) + "\n", durable=True)
        except OSError as error:
            raise ModelError(f"{file.name} could not be written ({error.strerror}): free some space") from error
