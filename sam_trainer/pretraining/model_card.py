"""The model card of `tiny`, written from its manifest and from benchmark files: no number in it is typed by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from sam_infer.errors import ModelError, VolumeError
from sam_trainer.reports.table import ALL, MEAN, Row

MODEL = "tiny"
BENCHES = ("prompts", "clicks", "robustness", "latency")

# A source below this Dice for a box, or below this for ten clicks, is named as a failure.
POOR_BOX, POOR_CLICKS = 0.75, 0.75

STRATEGIES = {
    "S1": "everything: a grid of points, no hint at the object",
    "S2": "one point",
    "S3": "five points",
    "S4": "five points, five background points",
    "S5": "box",
    "S6": "box and one point",
    "ellipse": "baseline: filled ellipse of the box",
    "grabcut": "baseline: GrabCut from the box",
    "random_walker_s2": "baseline: random walker from the point of S2",
    "region_growing_s2": "baseline: region growing from the point of S2",
    "random_walker_s4": "baseline: random walker from the points of S4",
    "region_growing_s4": "baseline: region growing from the points of S4",
}

INTENDED = """\
`tiny` is an annotation aid. It proposes outlines that a trained reader checks and corrects; every mask that matters
is the reader's. It is **not** a diagnostic device, it measures nothing on its own, and it was not tested on any
clinical question. It comes with the package so that everything works without a download: first look, tests, demos,
and adapters trained from a team's own labels. Where an official SAM or MedSAM checkpoint may be used, compare both
with `samlabel bench prompts --model`."""

DATA = """\
It was trained on procedural scans only: shapes, textures and scanner physics drawn by this project's own generator.
No patient image was used for training. The real images below were used for measuring, and to choose between
settings of the whole pipeline; the weights never saw them."""


def write_card(results: Path, out: Path) -> None:
    """Write the card to `out` from `results`/{prompts,clicks,robustness,latency}.json."""
    documents = {name: _document(results / f"{name}.json") for name in BENCHES}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(card(_manifest(), documents))


def card(manifest: dict[str, Any], documents: dict[str, dict[str, Any]]) -> str:
    """The card as Markdown."""
    rows = {name: document["rows"] for name, document in documents.items()}
    sections = [
        f"# Model card: `{MODEL}`\n\nWritten by `samlabel bench card`; do not edit.",
        _origin(documents),
        f"## Intended use\n\n{INTENDED}",
        f"## Training data\n\n{DATA}\n\n{_facts(manifest)}",
        _prompts(rows["prompts"]),
        _sources(rows["prompts"], rows["clicks"]),
        _clicks(rows["clicks"]),
        _robustness(rows["robustness"]),
        _limits(rows["prompts"], rows["clicks"]),
        _latency(rows["latency"]),
    ]
    return "\n\n".join(sections) + "\n"


def _origin(documents: dict[str, dict[str, Any]]) -> str:
    lines = ["| file | command | commit | weights |", "|---|---|---|---|"]
    for name, document in documents.items():
        weights = str(document.get("weights", ""))[:12]
        lines.append(f"| `{name}.json` | `{document['command']}` | {document['commit'][:12]} | {weights} |")
    machine = documents["prompts"]["machine"]
    where = f"Measured on {machine['processor']}, {machine['cores']} cores, GPU: {machine['gpu'] or 'none'}."
    return "## Where the numbers come from\n\n" + "\n".join(lines) + f"\n\n{where}"


def _facts(manifest: dict[str, Any]) -> str:
    """What the manifest says in single values, and its stages as a table."""
    lines = [f"- {key.replace('_', ' ')}: {value}" for key, value in manifest.items() if _single(value)]
    stages = manifest.get("stages", [])
    if stages and all(isinstance(stage, dict) for stage in stages):
        columns = [key for key in stages[0] if _single(stages[0][key])]
        lines += ["", *_table(columns, ([str(stage.get(key, "")) for key in columns] for stage in stages))]
    return "\n".join(lines)


def _prompts(rows: Sequence[Row]) -> str:
    means = {(row["strategy"], row["rule"]): row for row in rows if row["source"] == MEAN}
    lines = []
    for name, meaning in STRATEGIES.items():
        row, best = means.get((name, "deployable")), means.get((name, "oracle"))
        if row is not None:
            shown = [name, meaning, _dice(row), _number(row["jaccard"]), _number(row["hd95"], 1), _number(row["nsd"])]
            opinion = _number(row.get("iou_error"))
            lines.append([*shown, _number(best["dice"]) if best else "", opinion])
    columns = ["", "prompt", "Dice (95 % CI)", "Jaccard", "HD95 mm", "NSD 2 mm", "Dice of oracle", "IoU head error"]
    about = (
        "Mean over sources of the mean over objects; the interval resamples patients. *Oracle* is the best of the "
        "proposed masks, chosen with the truth. Where an image has no millimetres, pixels stand for them."
    )
    return "\n".join(["## First answer", "", about, "", *_table(columns, lines)])


def _sources(prompts: Sequence[Row], clicks: Sequence[Row]) -> str:
    """One line per source; those outside the mean at the end."""
    chosen = ("S2", "S4", "S5", "ellipse", "grabcut")
    found: dict[str, dict[str, Row]] = {}
    for row in prompts:
        if row["label"] == ALL == row["modality"] and row["rule"] == "deployable" and row["source"] != MEAN:
            found.setdefault(row["source"], {})[row["strategy"]] = row
    ten = {r["source"]: r for r in clicks if _whole_source(r) and r["clicks"] == 10 and r["method"] == MODEL}
    lines = []
    for source, by in sorted(found.items(), key=lambda item: (not item[1]["S5"]["headline"], item[0])):
        name = source if by["S5"]["headline"] else f"*{source}* (not in the mean)"
        scores = [_number(by[strategy]["dice"]) for strategy in chosen]
        lines.append([name, str(by["S5"]["n"]), *scores, _number(ten[source]["dice"]) if source in ten else ""])
    return "\n".join(
        ["## By source", "", "Dice, deployable.", "", *_table(["source", "objects", *chosen, "10 clicks"], lines)]
    )


def _clicks(rows: Sequence[Row]) -> str:
    means = [row for row in rows if row["source"] == MEAN]
    methods = list(dict.fromkeys(row["method"] for row in means))
    at = {(row["method"], row["clicks"]): row for row in means}
    lines = [[str(n), *(_dice(at[method, n]) for method in methods)] for n in (1, 2, 3, 5, 7, 10)]
    last = at[MODEL, 10]
    about = (
        "A simulated reader clicks where the largest error is thickest; every request holds all clicks and nothing "
        f"else. Until Dice 0.85 it takes {_number(last['noc85'], 1)} clicks, until 0.90 {_number(last['noc90'], 1)} "
        f"(10 where it is never reached: {_number(100 * last['failures'], 0)} % of objects for 0.85). A whole session "
        f"of ten clicks encodes {_number(last['encodes'], 2)} times on average."
    )
    return "\n".join(["## Clicks", "", about, "", *_table(["clicks", *methods], lines)])


def _robustness(rows: Sequence[Row]) -> str:
    wanted = [
        ("edges", "0.1", "box edges off by up to 10 %"),
        ("edges", "0.25", "box edges off by up to 25 %"),
        ("shift", "0.1", "box shifted by 10 %"),
        ("scale", "0.1", "box larger or smaller by 10 %"),
        ("points", "inner_half", "a point anywhere in the inner half of the object"),
        ("points", "1 random", "a point anywhere on the object"),
    ]
    means = {(r["mode"], r["level"]): r for r in rows if r["source"] == MEAN and r["rule"] == "deployable"}
    lines = [
        [meaning, _dice(means[mode, level]), _number(means[mode, level]["cost"])]
        for mode, level, meaning in wanted
        if (mode, level) in means
    ]
    return "\n".join(["## Careless prompts", "", *_table(["prompt", "Dice (95 % CI)", "Dice lost"], lines)])


def _limits(prompts: Sequence[Row], clicks: Sequence[Row]) -> str:
    """What it is good for and where it fails, read off the rows per source and label."""
    boxes = [
        r for r in prompts if r["strategy"] == "S5" and r["rule"] == "deployable" and r["source"] not in (MEAN, ALL)
    ]
    wholes = [row for row in boxes if row["label"] == ALL]
    labels = sorted((r for r in boxes if r["label"] != ALL), key=lambda r: r["dice"])
    good = [
        f"{r['source']} ({_number(r['dice'])})" for r in sorted(wholes, key=lambda r: -r["dice"]) if r["dice"] >= 0.88
    ]
    poor = [f"{r['source']} ({_number(r['dice'])})" for r in wholes if r["dice"] < POOR_BOX]
    ten = [r for r in clicks if _whole_source(r) and r["clicks"] == 10 and r["method"] == MODEL]
    stuck = [f"{r['source']} ({_number(r['dice'])})" for r in ten if r["dice"] < POOR_CLICKS]
    worst = [f"{r['label']} ({r['source']}, {_number(r['dice'])})" for r in labels[:8]]
    return "\n".join(
        [
            "## Good for, fails at",
            "",
            "Good for compact objects with an edge, from a box. Dice for a box at least 0.88: " + _listed(good) + ".",
            "",
            "Fails at thin branching structures (vessels a few pixels wide), at objects that differ from their "
            "surroundings by texture only, and at crowds of small touching cells; a single point does not tell it "
            "which of several nested structures is meant.",
            "",
            f"- Sources below {POOR_BOX} for a box: {_listed(poor)}",
            f"- Sources below {POOR_CLICKS} after ten clicks: {_listed(stuck)}",
            f"- Labels with the lowest Dice for a box: {_listed(worst)}",
        ]
    )


def _latency(rows: Sequence[Row]) -> str:
    lines = [
        [row["phase"], _number(row["median_ms"], 1), _number(row["p95_ms"], 1), str(row["n"])]
        for row in rows
        if "median_ms" in row
    ]
    memory = [row for row in rows if row["phase"] == "memory"]
    about = [f"A process that only predicts holds {_number(row['bytes'] / 2**20, 0)} MiB." for row in memory]
    return "\n".join(["## Speed and memory", "", *about, "", *_table(["phase", "median ms", "p95 ms", "n"], lines)])


def _whole_source(row: Row) -> bool:
    return bool(row["label"] == ALL == row["modality"] and row["source"] != MEAN)


def _dice(row: Row) -> str:
    return f"{_number(row['dice'])} ({_number(row['ci_low'])} to {_number(row['ci_high'])})"


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


def _single(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    row: Callable[[Sequence[str]], str] = " | ".join
    return [f"| {row(columns)} |", "|" + "---|" * len(columns), *(f"| {row(line)} |" for line in lines)]


def _manifest() -> dict[str, Any]:
    file = files("sam_infer.weights.shipped") / f"{MODEL}.json"
    if not file.is_file():
        raise ModelError("the embedded weights have no manifest: run `samlabel pretrain` first", "model")
    return dict(json.loads(file.read_text()))


def _document(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError as error:
        hint = f"run `samlabel bench {path.stem} --out {path}` first"
        raise VolumeError(f"there is no {path.name} among the results: {hint}", "results") from error
    except ValueError as error:
        raise VolumeError(f"{path.name} is damaged: {error}", "results") from error
