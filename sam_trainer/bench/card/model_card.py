"""A model card, written from the model's record and from benchmark files: no number in it is typed by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sam_infer.errors import VolumeError
from sam_infer.files import write_whole
from sam_infer.weights.available import EMBEDDED
from sam_trainer.bench.card.facts import ModelFacts, embedded_manifest, facts_of
from sam_trainer.bench.card.few_cases import FILES, FewCases
from sam_trainer.bench.card.sections import by_source, careless, first_answer, over_clicks, speed, table
from sam_trainer.bench.card.weaknesses import Weaknesses
from sam_trainer.bench.prompts import DEPLOYABLE
from sam_trainer.reports.table import ALL, MEAN, Row

Documents = Mapping[str, dict[str, Any]]

OPTIONAL = ("robustness", *FILES)
BENCHES = ("prompts", "clicks", "robustness", "latency", *FILES)

INTENDED = """\
`{name}` is an annotation aid. It proposes outlines that a trained reader checks and corrects; every mask that matters
is the reader's. It is **not** a diagnostic device, it measures nothing on its own, and it was not tested on any
clinical question."""

INTENDED_EMBEDDED = """\
It comes with the package so that everything works without a download: first look, tests, demos,
and adapters trained from a team's own labels. Where an official SAM or MedSAM checkpoint may be used, compare both
with `samlabel bench card --model`."""

DATA_EMBEDDED = """\
It was trained on procedural scans only: shapes, textures and scanner physics drawn by this project's own generator.
No patient image was used for training. The real images below were used for measuring, and to choose between
settings of the whole pipeline; the weights never saw them."""

DATA_ELSEWHERE = """\
It was trained elsewhere: this project knows of it what stands above, and cannot say whether images like those below
were among its training data."""


def write_card(name: str, results: Path, out: Path) -> None:
    """Write the card of a model to `out`, and beside it as JSON, from the benches' files in `results`."""
    paths = {bench: results / f"{bench}.json" for bench in BENCHES}
    found = {bench: _document(path) for bench, path in paths.items() if bench not in OPTIONAL or path.is_file()}
    documents = {bench: one for bench, one in found.items() if bench not in OPTIONAL or one.get("complete")}
    facts = facts_of(name)
    _require_same_weights(facts, documents)
    write_whole(out, card(facts, documents))
    data = as_data(facts, documents)
    parts = [f"{json.dumps(key)}: {json.dumps(data[key], ensure_ascii=False)}" for key in data]
    write_whole(out.with_suffix(".json"), "{\n" + ",\n".join(parts) + "\n}\n")


def card(facts: ModelFacts, documents: Documents) -> str:
    """The card as Markdown."""
    rows = {name: document["rows"] for name, document in documents.items()}
    learned = FewCases.of(rows)
    sections = [
        f"# Model card: `{facts.name}`\n\nWritten by `samlabel bench card`; do not edit.",
        facts.section(),
        _intended(facts.name),
        _training(facts.name),
        first_answer(rows["prompts"]),
        by_source(rows["prompts"], rows["clicks"], facts.name),
        over_clicks(rows["clicks"], facts.name),
        *([careless(rows["robustness"])] if "robustness" in rows else []),
        Weaknesses.of(rows["prompts"], rows["clicks"], facts.name).section(),
        *([learned.section()] if learned is not None else []),
        speed(rows["latency"]),
        _reproduce(documents),
    ]
    return "\n\n".join(sections) + "\n"


def as_data(facts: ModelFacts, documents: Documents) -> dict[str, Any]:
    """The card for programs: the same figures, the mean and every source."""
    rows = {name: document["rows"] for name, document in documents.items()}
    return {
        "model": facts.as_dict(),
        "weaknesses": Weaknesses.of(rows["prompts"], rows["clicks"], facts.name).as_dict(),
        "benches": {
            name: {
                **{key: value for key, value in document.items() if key != "rows"},
                "rows": [row for row in document["rows"] if _is_shown(row)],
            }
            for name, document in documents.items()
        },
    }


def _is_shown(row: Row) -> bool:
    """Whole sources and the mean over them, of careless prompts the mean; rows of the latency name neither."""
    if "mode" in row and row["source"] != MEAN:
        return False
    return bool(row.get("label", ALL) == ALL == row.get("modality", ALL) and row.get("rule", DEPLOYABLE) == DEPLOYABLE)


def _intended(name: str) -> str:
    words = [INTENDED.format(name=name), *([INTENDED_EMBEDDED] if name == EMBEDDED else [])]
    return "## Intended use\n\n" + "\n".join(words)


def _training(name: str) -> str:
    if name != EMBEDDED:
        return f"## Training data\n\n{DATA_ELSEWHERE}"
    return f"## Training data\n\n{DATA_EMBEDDED}\n\n{_manifest_lines(embedded_manifest())}"


def _manifest_lines(manifest: dict[str, Any]) -> str:
    """What the manifest says in single values, and its stages as a table."""
    lines = [f"- {key.replace('_', ' ')}: {value}" for key, value in manifest.items() if _single(value)]
    stages = manifest.get("stages", [])
    if stages and all(isinstance(stage, dict) for stage in stages):
        columns = [key for key in stages[0] if _single(stages[0][key])]
        lines += ["", *table(columns, ([str(stage.get(key, "")) for key in columns] for stage in stages))]
    return "\n".join(lines)


def _reproduce(documents: Documents) -> str:
    lines = ["| file | command | commit | weights |", "|---|---|---|---|"]
    for name, document in documents.items():
        weights = str(document.get("weights", ""))[:12]
        lines.append(f"| `{name}.json` | `{document['command']}` | {document['commit'][:12]} | {weights} |")
    machine = documents["prompts"]["machine"]
    where = f"Measured on {machine['processor']}, {machine['cores']} cores, GPU: {machine['gpu'] or 'none'}."
    return "## How to reproduce\n\n" + "\n".join(lines) + f"\n\n{where}"


def _require_same_weights(facts: ModelFacts, documents: Documents) -> None:
    """Numbers of other weights would be a lie under this name."""
    for name, document in documents.items():
        weights = document.get("weights", facts.weights)
        if weights != facts.weights:
            raise VolumeError(
                f"{name}.json was measured with {document.get('model')} of weights {weights[:12]}, {facts.name} here "
                f"has {facts.weights[:12]}: measure again with `bench card --model {facts.name} --studies ...`",
                "results",
            )


def _single(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _document(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError as error:
        hint = f"run `samlabel bench {path.stem} --out {path}` first, or name labelled folders with --studies"
        raise VolumeError(f"there is no {path.name} among the results: {hint}", "results") from error
    except ValueError as error:
        raise VolumeError(f"{path.name} is damaged: {error}", "results") from error
