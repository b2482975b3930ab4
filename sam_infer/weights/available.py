"""Which models there are, and whether the weights of one are here: asked before torch is loaded."""

from __future__ import annotations

from pathlib import Path

from sam_infer.errors import ModelError
from sam_infer.home import default_home
from sam_infer.weights.catalogue import KNOWN_MODELS

# Digits of an id that people see; commands take any unique beginning.
SHOWN_DIGITS = 12

EMBEDDED = "tiny"
MODEL_NAMES = (EMBEDDED, *KNOWN_MODELS)


def record_path(name: str, home: Path | None = None) -> Path:
    """Where it is written down that a model was added."""
    return (home or default_home()) / "models" / name / "model.json"


def added_models(home: Path | None = None) -> tuple[str, ...]:
    """The models whose weights are here, the embedded one first."""
    return (EMBEDDED, *(name for name in KNOWN_MODELS if record_path(name, home).exists()))


def require_known(name: str) -> None:
    """Refuse a name that no model has."""
    if name in MODEL_NAMES:
        return
    raise ModelError(f"there is no model {name!r}; choose from {', '.join(MODEL_NAMES)}", "model")


def require_added(name: str, home: Path | None = None) -> None:
    """Refuse a model whose weights were never added."""
    require_known(name)
    if name != EMBEDDED and not record_path(name, home).exists():
        known = KNOWN_MODELS[name]
        fetch = f"run `samlabel models fetch {name}`, or " if known.is_pinned else ""
        raise ModelError(
            f"{name} has not been added: {fetch}download {known.file_name} from {known.url} "
            "on another machine and run `samlabel models add FILE`",
            "model",
        )
