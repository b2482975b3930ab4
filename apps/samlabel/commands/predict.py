"""`samlabel predict`: one object, or all labels, of one image or of a folder of images, without a server.

Exit code 0: every mask is written; 1: something could not be answered, and the sentence says why; 2: the command line
is wrong.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_infer.automatic.experimental import EXPERIMENTAL
from sam_infer.errors import PromptError

if TYPE_CHECKING:
    from sam_infer.imaging.cine import Cine
    from sam_infer.slices.predictor import Predictor
    from samlabel.offline.arguments import Plan
    from samlabel.offline.predict_one import OfflinePredictor, Predicted, PredictRequest


class Plane(StrEnum):
    """Which way slices run; without one they follow the file's third axis."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


class Mode(StrEnum):
    """How far an answer reaches, and whether it needs a hint."""

    SLICE = "2d"
    VOLUME = "3d"
    AUTO = "auto"


class Auto(StrEnum):
    """What `--mode auto` goes by; see the README."""

    BEST = "best"
    PROPOSE = "propose"
    GRID = "grid"
    SELFPROMPT = "selfprompt"
    DETECT = "detect"
    ATLAS = "atlas"
    SEMANTIC = "semantic"


WORSE = f" Experimental: {', '.join(EXPERIMENTAL)}." if EXPERIMENTAL else ""


class Engine(StrEnum):
    """Who follows an object in 3D."""

    AUTO = "auto"
    TRACKER = "tracker"
    SAM2 = "sam2"


class Along(StrEnum):
    """Where an object is followed: in its phase, in time on the prompted slices, or in its phase and then in time."""

    SPACE = "space"
    TIME = "time"
    BOTH = "both"


# Ways to label that learn from accepted cases.
FROM_CASES = (Auto.BEST, Auto.GRID, Auto.SELFPROMPT, Auto.DETECT, Auto.ATLAS)


def predict(  # noqa: PLR0913 - every parameter is an option of the command
    image: Annotated[
        Path, typer.Argument(help="NIfTI, NRRD, MetaImage, PNG, JPEG, TIFF, a DICOM folder, or a folder of images.")
    ],
    point: Annotated[
        list[str] | None,
        typer.Option(metavar="I,J,K", help="Voxel i,j,k on the object, or i,j,k,- beside it; may be repeated."),
    ] = None,
    box: Annotated[
        str | None, typer.Option(help="i0,j0,i1,j1 or i0,j0,i1,j1,k around it; six numbers are two corners i,j,k.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(help='JSON for a folder: {"NAME": {"point": ["i,j,k"], "box": "..."}}.')
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the mask goes; default: beside you, NAME_mask, or the folder NAME_masks.")
    ] = None,
    phase: Annotated[
        int | None, typer.Option(min=0, help="Of an image in time: the phase that is looked at, from 0; default 0.")
    ] = None,
    along: Annotated[
        Along,
        typer.Option(help="Of an image in time: follow the object through its phases, on the prompted slices or all."),
    ] = Along.SPACE,
    tag: Annotated[
        str, typer.Option(metavar="NAME", help="The scanner, site or view of the images, where they do not say it.")
    ] = "",
    plane: Annotated[Plane | None, typer.Option(help="Anatomical plane of the slices.")] = None,
    mode: Annotated[Mode, typer.Option(help="One slice, the object in 3D, or labels without a hint.")] = Mode.SLICE,
    seed_from: Annotated[
        str | None,
        typer.Option(help="3d: an accepted case, or best, that shows the object named by --labels; no prompt needed."),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="3d: who follows the object; sam2 is the memory of the sam2.1 models.")
    ] = Engine.AUTO,
    auto: Annotated[
        Auto,
        typer.Option(help=f"auto: what to go by; best measures on --accepted, grid to atlas use it.{WORSE}"),
    ] = Auto.BEST,
    accepted: Annotated[
        Path | None, typer.Option(help="auto: studies folder with labels/final/; default: the folder of the image.")
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            help="auto: names, comma-separated; default: dataset.json's or the adapter's. Else one: what is meant."
        ),
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace a mask that exists; folder: answer finished cases again.")
    ] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Also a picture of the mask on the image; folder: one of all cases.")
    ] = False,
    model: Annotated[str, typer.Option(help="Which network answers; see `samlabel models list`.")] = "tiny",
    adapter: Annotated[
        str, typer.Option(help="promoted, none, or how an id of `samlabel adapters list` begins.")
    ] = "promoted",
    window: Annotated[str, typer.Option(help="auto, soft_tissue, lung, bone, brain, file, percentile, ...")] = "auto",
    candidate: Annotated[int | None, typer.Option(min=0, max=2, help="Another of the three masks.")] = None,
    zoom: Annotated[bool, typer.Option(help="Look closer at small objects.")] = True,
    keep_largest: Annotated[bool, typer.Option("--keep-largest", help="Drop all but the largest part.")] = False,
    fill_holes: Annotated[bool, typer.Option("--fill-holes", help="Close holes.")] = False,
) -> None:
    """Segment what the points and the box mean, or all labels; masks lie on the images' own grids."""
    from samlabel.offline.arguments import Arguments

    said, shown_plane = tuple(point or ()), plane.value if plane else None
    listed = tuple(dict.fromkeys(part.strip() for part in labels.split(",") if part.strip()))
    plan = Arguments(
        image,
        said,
        box,
        prompts,
        out,
        shown_plane,
        mode.value,
        accepted,
        window,
        model,
        adapter,
        force,
        preview,
        engine.value,
        seed_from,
        listed,
        phase,
        along.value,
    ).plan()
    typer.echo(f"loading the model {model}", err=True)

    from dataclasses import replace

    from sam_infer.imaging.volume import NO_TAGS
    from sam_infer.slices.by_tag import checked_tag
    from sam_infer.slices.crop import ZoomPolicy
    from sam_infer.slices.predictor import Options
    from samlabel.config import AppConfig
    from samlabel.label_names import app_labels
    from samlabel.offline.predict_one import PredictRequest

    studies = accepted or (image if image.is_dir() else image.parent)
    names = app_labels(AppConfig(labels=listed), str(studies))
    label = listed[0] if len(listed) == 1 else ""
    options = Options(window, ZoomPolicy() if zoom else None, candidate, keep_largest, fill_holes, label)
    request = PredictRequest(mode.value, said, box, shown_plane, auto.value, seed_from, engine.value, options, names)
    request = replace(request, phase=phase, along=along.value, tag=checked_tag(tag))
    learns = seed_from is not None or (mode is Mode.AUTO and auto in FROM_CASES)
    network = offline_network(model, adapter, studies if learns else None)
    network.predictor.about(lambda: NO_TAGS, request.tag)  # one that nobody taught is refused before anything is done
    if plan.cine is None:
        _folder(network, request, plan, force)
    else:
        _single(network, request, image, plan.cine, plan)


def offline_network(model: str, adapter: str, studies: Path | None) -> OfflinePredictor:
    """The network, and the accepted cases of a folder that it may learn from."""
    from sam_infer.home import default_home
    from sam_trainer.labels.cases import described_cases
    from sam_trainer.studies import Studies
    from samlabel.offline.predict_one import OfflinePredictor

    if studies is None or not studies.is_dir():
        return OfflinePredictor(_predictor(model, adapter))
    kept = default_home() / "scores" / Studies.of(studies).key / "best_modes_offline.json"
    return OfflinePredictor(_predictor(model, adapter), list(described_cases(studies).values()), kept)


def _predictor(model: str, adapter: str) -> Predictor:
    """The network, with the adapter that serves, a chosen one, or none."""
    from sam_infer.adapters.store import AdapterStore
    from sam_infer.models import load as models
    from sam_infer.models.current import adapted
    from sam_infer.networks.runtimes.precision import AUTO
    from sam_infer.networks.runtimes.runtime import KEPT
    from sam_infer.slices.embedding_cache import EmbeddingCache
    from sam_infer.slices.predictor import Predictor
    from samlabel.offline.arguments import NO_ADAPTER, PROMOTED

    store, cache = AdapterStore(model), EmbeddingCache()
    name = None if adapter == NO_ADAPTER else store.pointer().adapter if adapter == PROMOTED else store.find(adapter)
    if name is None:
        return Predictor(models.load_backbone(model, precision=AUTO, runtime=KEPT), cache)
    return adapted(store, name, cache, models.load_network(model, precision=AUTO, runtime=KEPT).backbone)


def _single(network: OfflinePredictor, request: PredictRequest, image: Path, cine: Cine, plan: Plan) -> None:
    from samlabel.offline.outputs import note_beside_images, write_answer
    from samlabel.offline.preview import write_preview
    from samlabel.offline.telling import following, telling

    with telling(f"looking at {image.name}") as told:
        answer = network.answer(request, image, following(image.name, told), cine)
    _tell(answer.notes)
    target = write_answer(answer.mask, plan.target)
    if plan.preview is not None:
        note_beside_images(plan.preview)
        write_preview(answer.volume, answer.shown, plan.preview)
        typer.echo(f"{plan.preview}: the mask on the image")
    typer.echo(f"{target}: {answer.sentence}")


def _folder(network: OfflinePredictor, request: PredictRequest, plan: Plan, force: bool) -> None:
    """Every image of a folder; exit code 1 when one could not be answered."""
    from dataclasses import replace

    from samlabel.offline.predict_folder import FolderRun, Outcome, answered
    from samlabel.offline.preview import write_contact_sheet
    from samlabel.offline.telling import Status, following, telling

    backbone = network.predictor.backbone
    settings = {
        "model": backbone.name,
        "weights": backbone.weights_id,
        "adapter": network.predictor.adapter,
        **request.facts,
        "prompts": plan.said,
    }
    outcome = Outcome()
    names = list(plan.images)
    with telling(f"{len(plan.images)} images") as told:

        def answer(name: str, path: Path) -> Predicted:
            told(Status(name, names.index(name), len(names)))
            own = request
            if plan.said is not None:
                if name not in plan.said:
                    raise PromptError(f"the prompts file says nothing about {name}", "prompts")
                own = replace(request, **plan.said[name])
            return network.answer(own, path, following(name, told, names.index(name), len(names)))

        for _, outcome in FolderRun(plan.target, settings, force).over(plan.images, answer):  # noqa: B007
            pass
    _tell(tuple(f"{name}: {sentence}" for name, sentence in outcome.failed.items()))
    if plan.preview is not None and write_contact_sheet(answered(plan.target, plan.images), plan.preview):
        typer.echo(f"{plan.preview}: every mask on its image")
    typer.echo(f"{plan.target}: {outcome.sentence}")
    if outcome.failed:
        raise typer.Exit(1)


def _tell(notes: tuple[str, ...]) -> None:
    for note in notes:
        typer.secho(note, fg="yellow", err=True)
