"""`samlabel say`: commands in words about one object of an image, without a server.

Exit code 0: the mask is written; 1: something was not understood or cannot be done, and the sentence says what is
meant perhaps; 2: the command line is wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def say(  # noqa: PLR0913 - every parameter is an option of the command
    image: Annotated[Path, typer.Argument(help="An image file, or with --studies the name of a case.")],
    text: Annotated[
        str, typer.Argument(help="Commands, one after the other with then or ;: 'segment liver; expand 2 mm'.")
    ],
    studies: Annotated[
        Path | None, typer.Option(help="Folder with labels/final/ that teaches labels; default: that of the image.")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="The object as it is now; without it, nothing is drawn yet.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the mask goes; default: beside you, NAME_mask.")] = None,
    labels: Annotated[str, typer.Option(help="Names, comma-separated; default: dataset.json's.")] = "",
    label: Annotated[str, typer.Option(help="What --mask shows; default: the first of the labels.")] = "",
    plane: Annotated[str | None, typer.Option(help="axial, coronal or sagittal; default: the file's slices.")] = None,
    slice_index: Annotated[
        int | None, typer.Option("--slice", min=0, help="The slice that is looked at; default: where the mask is.")
    ] = None,
    model: Annotated[str, typer.Option(help="Which network answers; see `samlabel models list`.")] = "tiny",
    adapter: Annotated[
        str, typer.Option(help="promoted, none, or how an id of `samlabel adapters list` begins.")
    ] = "promoted",
    window: Annotated[str, typer.Option(help="auto, soft_tissue, lung, bone, brain, file, percentile, ...")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace a mask that exists.")] = False,
) -> None:
    """Segment and correct an object by commands in words, English or German; directions are the patient's."""
    from sam_infer.errors import PromptError
    from sam_infer.imaging.window import WINDOWS
    from sam_infer.slices.predictor import Options
    from samlabel.commands.predict import offline_network
    from samlabel.config import AppConfig
    from samlabel.label_names import app_labels
    from samlabel.offline.outputs import require_output, write_answer
    from samlabel.offline.say_one import SayRequest, image_of, said
    from samlabel.offline.telling import following, telling

    if window not in WINDOWS:
        raise PromptError(f"--window must be one of {', '.join(WINDOWS)}, got {window!r}", "window")
    path = image_of(image, studies)
    folder = studies or path.parent
    listed = tuple(dict.fromkeys(part.strip() for part in labels.split(",") if part.strip()))
    names = app_labels(AppConfig(labels=listed), str(folder))
    request = SayRequest(text, names, label and names.checked(label), mask, plane, slice_index, Options(window))
    _ = request.commands  # what nobody understands is said before a model is loaded
    target = out or Path(f"{path.name.split('.')[0]}_mask.nii.gz")
    require_output(target, [path, *([mask] if mask else [])], force or target == mask)
    network = offline_network(model, adapter, folder)
    with telling(f"looking at {path.name}") as told:
        spoken, sentences = said(network, request, path, following(path.name, told))
    for note in spoken.notes:
        typer.secho(note, fg="yellow", err=True)
    for sentence in sentences:
        typer.echo(sentence)
    typer.echo(f"{write_answer(spoken.scene.mask, target)}: {spoken.scene.label}")
