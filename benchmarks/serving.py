"""How a model is prompted, and what that changes: asked at once and believed, beside what its manifest says.

    .venv/bin/python benchmarks/serving.py [--studies FOLDER] --models tiny,mobile_sam --limit 4

The objects and the simulated reader are those of `bench prompts` and `bench clicks`. Both ways of asking share encoded
slices, so that the whole costs little more than one of them. Every source counts in the mean.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from sam_infer.arrays import BoolArray
from sam_infer.imaging.image_file import read_image
from sam_infer.models.load import load_backbone
from sam_infer.networks.backbone import Backbone, Candidates, Features, Hints
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Options, Predictor
from sam_infer.weights.prompting import PLAIN, Prompting
from sam_trainer.bench.exam import Asked
from sam_trainer.labels.cases import collect, read_sources
from sam_trainer.measures.overlap import dice
from sam_trainer.provenance import require_clean
from sam_trainer.reports.record import Report, spelled
from sam_trainer.reports.table import ALL, Observation, Row, table
from sam_trainer.simulation.prompt_styles import Drawn, drawn
from sam_trainer.simulation.session import session
from sam_trainer.synthetic.patients import demo_studies

OUT = Path("benchmarks") / "results" / "serving.json"
DEMO = Path("runs") / "demo"
STYLES = ("S2", "S5", "S6")
AFTER_CLICKS = (1, 2, 3, 5, 10)


class Prompted:
    """A network that is prompted in another way than its manifest says, and counts its decodes."""

    def __init__(self, backbone: Backbone, prompting: Prompting) -> None:
        self._backbone = backbone
        self.prompting = prompting
        self.decodes = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._backbone, name)

    def decode(self, features: Features, hints: Hints) -> Candidates:
        """The network's answer."""
        self.decodes += 1
        return self._backbone.decode(features, hints)


def ways(prompting: Prompting) -> dict[str, Prompting]:
    """What is compared, by name."""
    return {"at once": PLAIN, "as served": prompting}


def measured(backbone: Backbone, studies: Path, limit: int | None, folder: Path) -> Iterator[Observation]:
    """Dice of first prompts, and after clicks, of every object."""
    cache = EmbeddingCache(512 << 20, folder)
    for subject in track(collect(read_sources(studies), limit), backbone.name, console=Console(stderr=True)):
        volume = read_image(subject.case.image)
        for target in subject.targets:
            for way, prompting in ways(backbone.prompting).items():
                network = Prompted(backbone, prompting)
                asked = Asked(target, volume, True, Predictor(network, cache), Options())
                keys = {"model": backbone.name, "serving": way}
                for style in STYLES:
                    found = dice(asked.answer(drawn(target.mask, style)).pixels, target.mask)
                    yield asked.observe({**keys, "prompt": style}, {"dice": found})
                yield from _clicked(asked, network, keys)


def _clicked(asked: Asked, network: Prompted, keys: dict[str, str]) -> Iterator[Observation]:
    network.decodes = 0

    def answer(prompts: Drawn) -> BoolArray:
        return asked.answer(prompts).pixels

    masks = session(asked.target.mask, answer)
    for count in AFTER_CLICKS:
        values = {"dice": dice(masks[count - 1], asked.target.mask)}
        if count == len(masks):
            values["decodes"] = network.decodes
        yield asked.observe({**keys, "prompt": f"{count} clicks"}, values)


def kept(rows: list[Row]) -> list[Row]:
    """Rows of sources and their mean."""
    return [row for row in rows if row["source"] != ALL and row["label"] == ALL]


def main() -> None:
    """Ask every model in every way, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=Path, help="a folder of labelled studies folders; else procedural ones")
    parser.add_argument("--models", default="tiny,mobile_sam", help="comma-separated; they must have been added")
    parser.add_argument("--limit", type=int, default=4, help="objects per source")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--embeddings", type=Path, help="keep encoded slices here, for a further run")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--allow-changed", action="store_true", help="measure a source tree that no commit names")
    wish = parser.parse_args()
    require_clean(wish.allow_changed)
    options = ("studies", "models", "limit", "threads")
    command = spelled("benchmarks/serving.py", {name: getattr(wish, name) for name in options})
    studies = wish.studies or demo_studies(DEMO)
    torch.set_num_threads(wish.threads)
    started, seen, facts = time.time(), [], {}
    names = wish.models.split(",")
    for name in names:
        backbone = load_backbone(name)
        facts[name] = backbone.weights_id
        with tempfile.TemporaryDirectory() as folder:
            seen += list(measured(backbone, studies, wish.limit, wish.embeddings or Path(folder)))
        rows = kept(table(seen))
        complete = name == names[-1]
        Report(command, 0, rows, started, {"weights": facts}, complete=complete).write(wish.out)
    for row in (row for row in rows if row["source"] == "mean"):
        Console().print(*(row[key] for key in ("model", "serving", "prompt", "dice")))


if __name__ == "__main__":
    main()
