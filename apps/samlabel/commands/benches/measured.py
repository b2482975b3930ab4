"""One measurement of `samlabel bench`: the network, the questions, and where the results go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from sam_infer.errors import SamError
from sam_infer.weights.available import require_added
from samlabel.errors import ConfigError
from samlabel.offline.outputs import result_file
from samlabel.offline.telling import Status, Tell, telling

if TYPE_CHECKING:
    from sam_infer.networks.backbone import Backbone
    from sam_trainer.bench.exam import Exam
    from sam_trainer.bench.runs import Outcome
    from sam_trainer.labels.objects3d import Structure

DEMO = ("demo", "demo-files")
DEMO_FOLDER = Path("demo") / "studies"

Studies = Annotated[str, typer.Option(help="A studies folder with labels, a folder of them, or demo.")]
Model = Annotated[str, typer.Option(help="Which model to ask.")]
Out = Annotated[Path, typer.Option(help="Where the JSON goes.", callback=result_file)]
PageFolder = Annotated[Path, typer.Option("--page", help="Folder of the page and its figures.")]
Seed = Annotated[int, typer.Option(help="Everything random depends on it.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many objects per source.")]
Separate = Annotated[
    list[str] | None,
    typer.Option(metavar="SOURCE", help="A further source to keep out of the headline; may be repeated."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads of the network.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the same command was interrupted.")]
AllowChanged = Annotated[
    bool, typer.Option("--allow-changed", help="Measure a source tree that no commit names; the result says so.")
]

# Options that say how a command runs and where its result goes, not what it measures.
NOT_SPELLED = ("out", "page", "keep", "resume", "allow_changed", "help")


@dataclass(frozen=True)
class Order:
    """What was asked for, and how."""

    command: str
    model: str | None  # None: servers are asked, not a network in this process
    seed: int
    out: Path
    page: Path
    resume: bool
    allow_changed: bool

    @staticmethod
    def command_of(context: typer.Context) -> str:
        """The command with every option that decides a figure, as the command declares them."""
        from sam_trainer.reports.record import spelled

        names = [parameter.name or "" for parameter in context.command.params]
        options = {name: context.params[name] for name in names if name in context.params and name not in NOT_SPELLED}
        return spelled(f"samlabel bench {context.info_name}", options)

    @classmethod
    def of(cls, context: typer.Context) -> Order:
        """The options of the command that was called."""
        said = context.params
        return cls(
            cls.command_of(context),
            model=None if said.get("servers") else said["model"],
            seed=said.get("seed", 0),
            out=said["out"],
            page=said["page"],
            resume=said["resume"],
            allow_changed=said["allow_changed"],
        )


class Run:
    """One measurement under way; what is done of it is kept until its result is whole."""

    def __init__(self, order: Order, tell: Tell) -> None:
        from sam_trainer.provenance import commit, require_clean
        from sam_trainer.reports.journal import Journal, journal_of

        require_clean(order.allow_changed)
        self.order = order
        self.seed = order.seed
        self.facts: dict[str, Any] = {}
        if order.model is not None:
            self.backbone = network(order.model, None)
            self.facts = {"model": self.backbone.name, "weights": self.backbone.weights_id}
        self._commit, self._started = commit(), time.time()
        origin = {"command": order.command, "commit": self._commit, **self.facts}
        self.journal = Journal(
            journal_of(order.out),
            origin,
            order.resume,
            lambda words, done, of: tell(Status(f"{words} ({done} of {of})", done, of)),
        )

    def exam(self, studies: str, limit: int | None, separate: list[str] | None) -> Exam:
        """The questions: what is in the studies, asked of the model."""
        from sam_trainer.bench.exam import Exam
        from sam_trainer.labels.cases import collect, read_sources

        subjects = collect(read_sources(labelled_folder(studies), separate or ()), limit)
        return Exam(self.backbone, subjects, self.seed, journal=self.journal)

    def structures(self, studies: str, limit: int | None, separate: list[str] | None) -> list[tuple[bool, Structure]]:
        """The structures in 3D that are in the studies."""
        from sam_trainer.labels.cases import read_sources
        from sam_trainer.labels.objects3d import collect_structures

        return collect_structures(read_sources(labelled_folder(studies), separate or ()), limit)

    def keep(self, outcome: Outcome, complete: bool = True) -> None:
        """Write what came out; of what is not `complete` the journal stays, to go on with."""
        from sam_trainer.reports.record import Report

        Report(
            self.order.command,
            self.seed,
            outcome.rows,
            self._started,
            self.facts,
            complete=complete,
            measured_at=self._commit,
            seconds_before=self.journal.seconds_before,
        ).write(self.order.out)
        written = outcome.page.write(self.order.page, self.order.out.stem)
        if complete:
            self.journal.close()
            Console(stderr=True).print(f"wrote {self.order.out} and {written}")


def network(model: str, threads: int | None) -> Backbone:
    """The network that is asked, on so many threads."""
    import torch

    from sam_infer.models.load import load_backbone

    if threads is not None:
        torch.set_num_threads(threads)
    return load_backbone(model)


def labelled_folder(studies: str) -> Path:
    """The labelled folder that `--studies` names."""
    from sam_trainer.synthetic.patients import demo_studies

    return demo_studies(DEMO_FOLDER) if studies in DEMO else Path(studies)


@contextmanager
def measured(context: typer.Context, beside: tuple[str, ...] = ()) -> Iterator[Run]:
    """A run on a model; what is not there is said before torch is loaded. `beside` are other values of --studies."""
    with as_sentences():
        said = context.params
        if not said.get("servers"):
            require_added(said["model"])
        studies = said.get("studies")
        if studies not in (None, *DEMO, *beside) and not Path(str(studies)).is_dir():
            raise ConfigError(f"there is no studies folder {studies!r}", "studies")
        import torch

        if said.get("threads") is not None:
            torch.set_num_threads(said["threads"])
        with telling(f"bench {context.info_name}") as tell, _interruptible():
            yield Run(Order.of(context), tell)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C leaves what is done, and says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("interrupted: the same command with --resume goes on", err=True)
        raise typer.Exit(130) from None


@contextmanager
def as_sentences() -> Iterator[None]:
    """A sentence and exit code 1 for everything that is wrong with the world, not with the program."""
    try:
        yield
    except (SamError, OSError) as error:
        typer.secho("refused: ", fg="red", err=True, nl=False)
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
