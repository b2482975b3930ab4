"""Sections of a model card: rows of the benches as tables of Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sam_trainer.reports.table import ALL, MEAN, Row

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


def first_answer(rows: Sequence[Row]) -> str:
    """Every way to ask first, beside the baselines."""
    means = {(row["strategy"], row["rule"]): row for row in rows if row["source"] == MEAN}
    lines = []
    for name, meaning in STRATEGIES.items():
        row, best = means.get((name, "deployable")), means.get((name, "oracle"))
        if row is not None:
            shown = [name, meaning, interval(row), number(row["jaccard"]), number(row["hd95"], 1), number(row["nsd"])]
            opinion = number(row.get("iou_error"))
            lines.append([*shown, number(best["dice"]) if best else "", opinion])
    columns = ["", "prompt", "Dice (95 % CI)", "Jaccard", "HD95 mm", "NSD 2 mm", "Dice of oracle", "IoU head error"]
    about = (
        "Mean over sources of the mean over objects; the interval resamples patients. *Oracle* is the best of the "
        "proposed masks, chosen with the truth. Where an image has no millimetres, pixels stand for them."
    )
    return "\n".join(["## First answer", "", about, "", *table(columns, lines)])


def by_source(prompts: Sequence[Row], clicks: Sequence[Row], model: str) -> str:
    """One line per source; those outside the mean at the end."""
    chosen = ("S2", "S4", "S5", "ellipse", "grabcut")
    found: dict[str, dict[str, Row]] = {}
    for row in prompts:
        if row["label"] == ALL == row["modality"] and row["rule"] == "deployable" and row["source"] != MEAN:
            found.setdefault(row["source"], {})[row["strategy"]] = row
    ten = {r["source"]: r for r in clicks if is_whole_source(r) and r["clicks"] == 10 and r["method"] == model}
    lines = []
    for source, by in sorted(found.items(), key=lambda item: (not item[1]["S5"]["headline"], item[0])):
        name = source if by["S5"]["headline"] else f"*{source}* (not in the mean)"
        scores = [number(by[strategy]["dice"]) for strategy in chosen]
        lines.append([name, str(by["S5"]["n"]), *scores, number(ten[source]["dice"]) if source in ten else ""])
    return "\n".join(
        ["## By source", "", "Dice, deployable.", "", *table(["source", "objects", *chosen, "10 clicks"], lines)]
    )


def over_clicks(rows: Sequence[Row], model: str) -> str:
    """Dice after a reader's corrections."""
    means = [row for row in rows if row["source"] == MEAN]
    methods = list(dict.fromkeys(row["method"] for row in means))
    at = {(row["method"], row["clicks"]): row for row in means}
    lines = [[str(n), *(interval(at[method, n]) for method in methods)] for n in (1, 2, 3, 5, 7, 10)]
    last = at[model, 10]
    about = (
        "A simulated reader clicks where the largest error is thickest; every request holds all clicks and nothing "
        f"else. Until Dice 0.85 it takes {number(last['noc85'], 1)} clicks, until 0.90 {number(last['noc90'], 1)} "
        f"(10 where it is never reached: {number(100 * last['failures'], 0)} % of objects for 0.85). A whole session "
        f"of ten clicks encodes {number(last['encodes'], 2)} times on average."
    )
    return "\n".join(["## Clicks", "", about, "", *table(["clicks", *methods], lines)])


def careless(rows: Sequence[Row]) -> str:
    """What careless prompts cost; nothing where it was not measured."""
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
        [meaning, interval(means[mode, level]), number(means[mode, level]["cost"])]
        for mode, level, meaning in wanted
        if (mode, level) in means
    ]
    return "\n".join(["## Careless prompts", "", *table(["prompt", "Dice (95 % CI)", "Dice lost"], lines)])


def speed(rows: Sequence[Row]) -> str:
    """Times and memory on the machine of the rows."""
    lines = [
        [row["phase"], number(row["median_ms"], 1), number(row["p95_ms"], 1), str(row["n"])]
        for row in rows
        if "median_ms" in row
    ]
    memory = [row for row in rows if row["phase"] == "memory"]
    about = [f"A process that only predicts holds {number(row['bytes'] / 2**20, 0)} MiB." for row in memory]
    return "\n".join(["## Speed and memory", "", *about, "", *table(["phase", "median ms", "p95 ms", "n"], lines)])


def is_whole_source(row: Row) -> bool:
    """Whether a row is about all of a source."""
    return bool(row["label"] == ALL == row["modality"] and row["source"] != MEAN)


def interval(row: Row) -> str:
    """Dice with its interval."""
    return f"{number(row['dice'])} ({number(row['ci_low'])} to {number(row['ci_high'])})"


def number(value: float | None, digits: int = 3) -> str:
    """A figure as text."""
    return "" if value is None else f"{value:.{digits}f}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return ", ".join(names) if names else "none"


def table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    row: Callable[[Sequence[str]], str] = " | ".join
    return [f"| {row(columns)} |", "|" + "---|" * len(columns), *(f"| {row(line)} |" for line in lines)]
