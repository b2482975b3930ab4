"""`samlabel precompute`: encode every slice of a store before anybody clicks.

Exit code 0: everything is encoded, or it was interrupted and can go on; 1: refused, or an image failed.
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from samlabel.commands.cli import STUDIES
from samlabel.config import AppConfig


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
    from samlabel.loop.stopping import stopping
    from samlabel.offline.encode_ahead import Precompute

    step_aside()  # a server on this machine comes first
    app, activity = Offline(studies, model=model, adapter=adapter, disk_mb=str(disk_mb)), Activity()
    images = sorted(app.store.list_images())
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with stopping() as should_stop, Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        whole, one = bar.add_task("images", total=len(images)), bar.add_task("slices", total=None)

        def told(image: str, done: int, of: int) -> None:
            bar.update(one, description=image, completed=done, total=of)
            bar.update(whole, completed=images.index(image) + (done == of))

        wait = Precompute(app.serving, app.store.get_image_uri, lambda: activity.wait(should_stop), should_stop, told)
        found = wait.run(images)
    for image, sentence in found.failed.items():
        Console(stderr=True).print(f"[red]{image}[/red]: {sentence}")
    typer.echo(found.sentence)
    evicted = app.serving.predictor.cache.stats.trimmed
    if evicted:
        typer.secho(f"{evicted} slices found no room: call it with more --disk-mb", fg="yellow", err=True)
    if found.failed:
        raise typer.Exit(1)
