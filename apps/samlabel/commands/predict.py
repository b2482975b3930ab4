"""`samlabel predict`: one object, or all labels, of one image or of a folder of images, without a server.

Exit code 0: every mask is written; 1: something could not be answered, and the sentence says why; 2: the command line
is wrong.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sam_infer.errors import PromptError
from samlabel.errors import ConfigError

if TYPE_CHECKING:
    from sam_infer.imaging.volume import Volume
    from sam_infer.slices.predictor import Predictor
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

    PROPOSE = "propose"
    GRID = "grid"
    SELFPROMPT = "selfprompt"
    ATLAS = "atlas"
    SEMANTIC = "semantic"


# What `--adapter` may say instead of an id; the other word is `predictor.NO_ADAPTER`.
PROMOTED = "promoted"

# Ways to label that learn from accepted cases.
FROM_CASES = (Auto.GRID, Auto.SELFPROMPT, Auto.ATLAS)


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
    plane: Annotated[Plane | None, typer.Option(help="Anatomical plane of the slices.")] = None,
    mode: Annotated[Mode, typer.Option(help="One slice, the object in 3D, or labels without a hint.")] = Mode.SLICE,
    auto: Annotated[
        Auto,
        typer.Option(help="auto: what to go by; semantic is what the adapter learned, grid to atlas use --accepted."),
    ] = Auto.PROPOSE,
    accepted: Annotated[
        Path | None, typer.Option(help="auto: studies folder with labels/final/; default: the folder of the image.")
    ] = None,
    labels: Annotated[
        str, typer.Option(help="auto: names, comma-separated; default: those of dataset.json, or of the adapter.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Replace a mask that exists; folder: answer finished cases again.")
    ] = False,
    model: Annotated[str, typer.Option(help="Which network answers; see `samlabel models list`.")] = "tiny",
    adapter: Annotated[
        str, typer.Option(help="promoted, none, or how an id of `samlabel adapters list` begins.")
    ] = PROMOTED,
    window: Annotated[str, typer.Option(help="auto, soft_tissue, lung, bone, brain, file, percentile, ...")] = "auto",
    candidate: Annotated[int | None, typer.Option(min=0, max=2, help="Another of the three masks.")] = None,
    zoom: Annotated[bool, typer.Option(help="Look closer at small objects.")] = True,
    keep_largest: Annotated[bool, typer.Option("--keep-largest", help="Drop all but the largest part.")] = False,
    fill_holes: Annotated[bool, typer.Option("--fill-holes", help="Close holes.")] = False,
) -> None:
    """Segment what the points and the box mean, or all labels; masks lie on the images' own grids."""
    from sam_infer.adapters.ids import added_ids, found_id
    from sam_infer.weights.available import require_added
    from samlabel.offline.hints import prompts_by_name
    from samlabel.offline.predict_folder import images_in

    # Whatever can be wrong is looked at before torch is loaded, which takes seconds.
    images = images_in(image) if image.is_dir() else {}
    _require_fitting(mode, tuple(point or ()), box, prompts, window)
    _require_used(prompts, images, accepted)
    require_added(model)
    if adapter not in (PROMOTED, "none"):
        found_id(model, added_ids(model), adapter)
    said = prompts_by_name(prompts, images)
    studies = accepted or (image if image.is_dir() else image.parent)
    volume = None if images else _looked_at(image, point or [], box, plane, mode)
    target = _target(image, images, volume, out, force)
    typer.echo(f"loading the model {model}", err=True)

    from sam_infer.slices.crop import ZoomPolicy
    from sam_infer.slices.predictor import Options
    from samlabel.config import AppConfig
    from samlabel.label_names import app_labels
    from samlabel.offline.predict_one import PredictRequest

    listed = tuple(dict.fromkeys(part.strip() for part in labels.split(",") if part.strip()))
    names = app_labels(AppConfig(labels=listed), str(studies))
    options = Options(window, ZoomPolicy() if zoom else None, candidate, keep_largest, fill_holes)
    request = PredictRequest(
        mode.value, tuple(point or ()), box, plane.value if plane else None, auto.value, options, names
    )
    network = _network(model, adapter, studies if mode is Mode.AUTO and auto in FROM_CASES else None)
    if volume is None:
        _folder(network, request, images, said, target, force)
    else:
        _single(network, request, image, volume, target)


def _require_fitting(mode: Mode, points: tuple[str, ...], box: str | None, prompts: Path | None, window: str) -> None:
    """Refuse hints that the mode would ignore, and words that mean nothing."""
    from sam_infer.imaging.window import WINDOWS
    from samlabel.offline.hints import require_readable

    said = bool(points) or box is not None or prompts is not None
    if mode is Mode.AUTO and said:
        raise PromptError("--mode auto takes no points and no box: use --mode 2d or 3d", "mode")
    if mode is not Mode.AUTO and not said:
        raise PromptError("nothing says where the object is: use --point or --box, or --mode auto", "point")
    if window not in WINDOWS:
        raise PromptError(f"window must be one of {', '.join(WINDOWS)}, got {window!r}", "window")
    require_readable(points, box)


def _require_used(prompts: Path | None, images: dict[str, Path], accepted: Path | None) -> None:
    """Refuse files that would not be read."""
    if prompts is not None and not images:
        raise PromptError("--prompts is for a folder of images; use --point and --box", "prompts")
    if accepted is not None and not accepted.is_dir():
        raise ConfigError(f"--accepted {accepted}: there is no such folder", "accepted")


def _looked_at(image: Path, points: list[str], box: str | None, plane: Plane | None, mode: Mode) -> Volume:
    """The only image, with the hints looked at on it."""
    from sam_infer.imaging.image_file import read_image
    from sam_infer.prompts.slice_index import choose_slice
    from samlabel.offline.hints import parsed

    volume = read_image(image)
    if mode is not Mode.AUTO:
        prompts, marks = parsed(volume, points, box, plane.value if plane else None)
        if mode is Mode.SLICE:
            choose_slice(volume.geometry, prompts.axis, None, marks)
    return volume


def _target(image: Path, images: dict[str, Path], volume: Volume | None, out: Path | None, force: bool) -> Path:
    """Where the mask, or the folder of masks, goes; refused when something there must not be replaced."""
    from sam_infer.imaging.image_file import require_mask_format
    from samlabel.offline.outputs import require_output, require_output_folder

    if volume is None:
        folder = out or Path(f"{image.resolve().name}_masks")
        require_output_folder(folder, images.values())
        return folder
    target = out or default_out(image, volume)
    require_output(target, [image], force)
    require_mask_format(target, volume.geometry.shape[2])
    return target


def _network(model: str, adapter: str, studies: Path | None) -> OfflinePredictor:
    from sam_trainer.labels.cases import described_cases
    from samlabel.offline.predict_one import OfflinePredictor

    examples = list(described_cases(studies).values()) if studies is not None and studies.is_dir() else []
    return OfflinePredictor(_predictor(model, adapter), examples)


def _predictor(model: str, adapter: str) -> Predictor:
    """The network, with the adapter that serves, a chosen one, or none."""
    from sam_infer.adapters.store import AdapterStore
    from sam_infer.models import load as models
    from sam_infer.models.current import adapted
    from sam_infer.networks.precision import AUTO
    from sam_infer.slices.embedding_cache import EmbeddingCache
    from sam_infer.slices.predictor import NO_ADAPTER, Predictor

    store, cache = AdapterStore(model), EmbeddingCache()
    name = None if adapter == NO_ADAPTER else store.pointer().adapter if adapter == PROMOTED else store.find(adapter)
    if name is None:
        return Predictor(models.load_backbone(model, precision=AUTO), cache)
    return adapted(store, name, cache, models.load_network(model, precision=AUTO).backbone)


def _single(network: OfflinePredictor, request: PredictRequest, image: Path, volume: Volume, out: Path) -> None:
    from samlabel.offline.outputs import write_answer
    from samlabel.offline.telling import telling

    with telling(f"looking at {image.name}"):
        answer = network.answer(request, image, volume=volume)
    _tell(answer.notes)
    target = write_answer(answer.mask, out)
    typer.echo(f"{target}: {answer.sentence}")


def _folder(
    network: OfflinePredictor,
    request: PredictRequest,
    images: dict[str, Path],
    said: dict[str, dict[str, Any]] | None,
    out: Path,
    force: bool,
) -> None:
    """Every image of a folder; exit code 1 when one could not be answered."""
    from dataclasses import replace
    from itertools import count

    from samlabel.offline.predict_folder import FolderRun, Outcome
    from samlabel.offline.telling import Status, telling

    backbone = network.predictor.backbone
    settings = {
        "model": backbone.name,
        "weights": backbone.weights_id,
        "adapter": network.predictor.adapter,
        **request.facts,
        "prompts": said,
    }
    outcome = Outcome()
    names = list(images)
    with telling(f"{len(images)} images") as told:

        def answer(name: str, path: Path) -> Predicted:
            steps = count()

            def step(done: int) -> None:
                told(Status(f"{name}, step {next(steps) + done}", names.index(name), len(names)))

            told(Status(name, names.index(name), len(names)))
            own = request
            if said is not None:
                if name not in said:
                    raise PromptError(f"the prompts file says nothing about {name}", "prompts")
                own = replace(request, **said[name])
            return network.answer(own, path, step)

        for _, outcome in FolderRun(out, settings, force).over(images, answer):  # noqa: B007 - the last one is told
            pass
    _tell(tuple(f"{name}: {sentence}" for name, sentence in outcome.failed.items()))
    typer.echo(f"{out}: {outcome.sentence}")
    if outcome.failed:
        raise typer.Exit(1)


def default_out(image: Path, volume: Volume) -> Path:
    """The mask's file in the working directory: the image's name, a format that can hold it."""
    from sam_infer.imaging.image_file import suffix_of  # after help

    name = image.resolve().name
    stem = name[: len(name) - len(suffix_of(image))] if image.is_file() else name
    return Path(f"{stem}_mask{'.png' if volume.is_colour or volume.geometry.shape[2] == 1 else '.nii.gz'}")


def _tell(notes: tuple[str, ...]) -> None:
    for note in notes:
        typer.secho(note, fg="yellow", err=True)
