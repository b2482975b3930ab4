"""Origin of a model's weights: where they came from and under which licence, as far as this version knows."""

from __future__ import annotations

from dataclasses import dataclass

from sam_infer.weights.available import EMBEDDED
from sam_infer.weights.catalogue import KNOWN_ARCHIVES, KNOWN_MODELS
from sam_infer.weights.store import StoredModel


@dataclass(frozen=True)
class Origin:
    """What is said about weights wherever they are shown."""

    kind: str
    provenance: str
    licence: str


# The embedded model has no record: it came with the package, and was trained on what the package draws.
OF_EMBEDDED = Origin(
    "embedded",
    f"{EMBEDDED} is part of this package, trained on procedural images only",
    "that of this package",
)


def origin_of(stored: StoredModel) -> Origin:
    """Where added weights came from."""
    known = KNOWN_MODELS[stored.name]
    archive = next((one for one in KNOWN_ARCHIVES.values() if one.sha256 == stored.source_sha256), None)
    if archive is not None:
        return Origin("known package", archive.provenance, archive.licence)
    if stored.published:
        return Origin("published file", f"published as {known.url}", known.licence)
    return Origin(
        "own weights",
        "weights of your own, or a file that this version does not know",
        f"not known; the published {known.name}: {known.licence}",
    )
