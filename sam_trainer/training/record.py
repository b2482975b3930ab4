"""Training record for people: a log, TensorBoard events, and learning curves as a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from sam_trainer.reports.curves import read_log

LOG_FILE, EVENTS, CURVES = "epochs.jsonl", "events", "curves.png"


def note_epoch(folder: Path, figures: Mapping[str, float], epoch: int) -> None:
    """One line in the log of a training and one event each for TensorBoard; a full disk is no reason to end."""
    # imports protobuf and more, which only trainings need
    from torch.utils.tensorboard import SummaryWriter

    try:
        with (folder / LOG_FILE).open("a") as file:
            file.write(json.dumps({"epoch": epoch, **{key: round(value, 6) for key, value in figures.items()}}) + "\n")
        with SummaryWriter(str(folder / EVENTS)) as writer:
            for key, value in figures.items():
                writer.add_scalar(key, value, epoch)
    except OSError:
        return


def fit_curves(folder: Path, title: str) -> bytes | None:
    """Loss and validation Dice against epochs, as PNG; None before the first. What a crash made twice counts once."""
    # heavy, and only wanted here
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not (folder / LOG_FILE).exists():
        return None
    rows = {row["epoch"]: row for row in read_log(folder / LOG_FILE)}
    epochs = sorted(rows)
    figure = Figure(figsize=(8, 6))
    FigureCanvasAgg(figure)
    losses, marks = figure.subplots(2, 1, sharex=True)
    losses.plot(epochs, [rows[epoch]["loss"] for epoch in epochs], color="black", marker=".")
    losses.set_ylabel("training loss")
    losses.set_title(title)
    marks.plot(epochs, [rows[epoch]["dice"] for epoch in epochs], marker=".", label="validation Dice")
    marks.plot(epochs, [rows[epoch]["best"] for epoch in epochs], linestyle=":", label="best so far")
    marks.set_ylabel("Dice")
    marks.set_xlabel("epoch")
    marks.legend()
    picture = BytesIO()
    figure.savefig(picture, dpi=110)
    return picture.getvalue()


def draw_fit(folder: Path, title: str) -> None:
    """Keep the curves of a training beside its log."""
    picture = fit_curves(folder, title)
    if picture is not None:
        (folder / CURVES).write_bytes(picture)
