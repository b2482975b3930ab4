"""`samlabel precompute`: encode every slice of a store before anybody clicks.

Exit code 0: everything is encoded, or it was interrupted and can go on; 1: refused, or an image failed.
"""

from __future__ import annotations

from typing import Annotated

import typer

from samlabel.commands.cli import STUDIES
from samlabel.commands.loop import offline
from samlabel.config import AppConfig
from samlabel.offline.telling import Status, telling


def precompute(
    studies: Annotated[str, typer.Option(help=STUDIES)],
    model: Annotated[str, typer.Option(help="Which network; see `samlabel models list`.")] = AppConfig.model,
    adapter: Annotated[str, typer.Option(help="latest, none, or an adapter's id.")] = AppConfig.adapter,
    disk_mb: Annotated[
        int, typer.Option(min=1, help="Room for encoded slices; a server must be given as much by --set disk_mb=.")
    ] = AppConfig.disk_mb,
) -> None:
    """Encode every slice ahead; goes on where it was interrupted, and pauses while readers click."""
    from sam_infer.serving.activity import Activity, step_aside
    from sam_infer.weights.available import require_added
    from samlabel.loop.stopping import stopping

    require_added(model)
    step_aside()  # a server on this machine comes first
    conf = {"model": model, "adapter": adapter, "disk_mb": str(disk_mb)}
    with telling("loading the network") as tell, offline(studies, **conf) as app, stopping() as should_stop:
        from samlabel.offline.encode_ahead import Precompute

        images, activity = sorted(app.store.list_images()), Activity()

        def told(image: str, done: int, of: int) -> None:
            tell(Status(f"{image}, slice {done} of {of}", images.index(image) + done / of, len(images)))

        wait = Precompute(app.serving, app.store.get_image_uri, lambda: activity.wait(should_stop), should_stop, told)
        found = wait.run(images)
        evicted = app.serving.predictor.cache.stats.trimmed
    for image, sentence in found.failed.items():
        typer.secho(f"{image}: {sentence}", fg="red", err=True)
    typer.echo(found.sentence)
    if evicted:
        typer.secho(f"{evicted} slices found no room: call it with more --disk-mb", fg="yellow", err=True)
    if found.failed:
        raise typer.Exit(1)
