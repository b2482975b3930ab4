"""One measurement of `samlabel bench`: the network, the questions, and where the results go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from sam_infer.errors import SamError
from sam_infer.weights.available import require_added
from samlabel.errors import ConfigError

if TYPE_CHECKING:
    from sam_trainer.bench.exam import Exam
    from sam_trainer.bench.runs import Outcome
    from sam_trainer.labels.objects3d import Structure

DEMO = ("demo", "demo-files")
DEMO_FOLDER = Path("demo") / "studies"


class Run:
    """One measurement under way."""

    def __init__(self, model: str, seed: int) -> None:
        from sam_infer.models.load import load_backbone

        self.started = time.time()
        self.seed = seed
        self.backbone = load_backbone(model)

    def exam(self, studies: str, limit: int | None, separate: list[str] | None) -> Exam:
        """The questions: what is in the studies, asked of the model."""
        from sam_trainer.bench.exam import Exam
        from sam_trainer.labels.cases import collect, read_sources

        folder = labelled_folder(studies)
        return Exam(self.backbone, collect(read_sources(folder, separate or ()), limit), self.seed)

    def structures(self, studies: str, limit: int | None, separate: list[str] | None) -> list[tuple[bool, Structure]]:
        """The structures in 3D that are in the studies."""
        from sam_trainer.labels.cases import read_sources
        from sam_trainer.labels.objects3d import collect_structures

        folder = labelled_folder(studies)
        return collect_structures(read_sources(folder, separate or ()), limit)

    def keep(self, outcome: Outcome, out: Path, page: Path) -> None:
        """Write what came out."""
        from sam_trainer.reports.record import Report, command_line

        facts: dict[str, Any] = {"model": self.backbone.name, "weights": self.backbone.weights_id}
        Report(command_line(), self.seed, outcome.rows, self.started, facts).write(out)
        written = outcome.page.write(page, out.stem)
        Console(stderr=True).print(f"wrote {out} and {written}")


def labelled_folder(studies: str) -> Path:
    """The labelled folder that `--studies` names."""
    from sam_trainer.synthetic.patients import demo_studies

    return demo_studies(DEMO_FOLDER) if studies in DEMO else Path(studies)


@contextmanager
def measured(model: str, seed: int, threads: int | None, studies: str | None) -> Iterator[Run]:
    """A run on a model; what is not there is said before torch is loaded."""
    with as_sentences():
        require_added(model)
        if studies not in (None, *DEMO) and not Path(str(studies)).is_dir():
            raise ConfigError(f"there is no studies folder {studies!r}", "studies")
        import torch

        if threads is not None:
            torch.set_num_threads(threads)
        yield Run(model, seed)


@contextmanager
def as_sentences() -> Iterator[None]:
    """A sentence and exit code 1 for everything that is wrong with the world, not with the program."""
    try:
        yield
    except (SamError, OSError) as error:
        typer.secho("refused: ", fg="red", err=True, nl=False)
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
