"""Next clicks of this checkout beside another one's, in turns on the same volumes: how much slower or faster is it?

    .venv/bin/python benchmarks/paired_clicks.py --other ../samlabel-before/.venv/bin/python
    .venv/bin/python benchmarks/paired_clicks.py --logins

With `--logins` both servers are this checkout, and the second one has logins on: what does a login add to a click?
Both servers run at the same time, each from its own environment, with a home of its own. They are asked by turns, so
that whatever else the machine does meets both. The ratio is this checkout's seconds over the other's, the median over
pairs, with its 95 % interval from drawing pairs again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from sam_infer.audit.trail import Trail
from sam_trainer.measures.paired import drawn_again
from sam_trainer.provenance import require_clean
from sam_trainer.reports.record import Report, spelled
from samlabel.logins.login_service import FOLDER
from samlabel.logins.person import ANNOTATOR
from samlabel.logins.tokens import TokenStore
from samlabel.server_bench.click import Station
from samlabel.server_bench.ours import launch
from samlabel.server_bench.scene import Scene, write_scenes
from samlabel.server_bench.server_process import Launch, Running

OUT = Path("benchmarks") / "results" / "paired_clicks.json"
WARM = 10
RESAMPLES = 10_000


def other_launch(mine: Launch, python: Path, folder: Path) -> Launch:
    """The same command line in another environment."""
    folder.mkdir()
    environ = {**mine.environ, "SAMLABEL_HOME": str(folder / "home")}
    environ.pop("PYTHONPATH", None)
    return Launch("other", mine.model, [str(python), *mine.command[1:]], environ, folder)


def with_logins(mine: Launch) -> tuple[Launch, str]:
    """The first of two equal servers with logins on, and a token for it."""
    home = Path(mine.environ["SAMLABEL_HOME"])
    token = TokenStore(home / FOLDER, Trail.of(home)).add("bench", ANNOTATOR, 1)
    return replace(mine, command=[*mine.command, "--set", "logins=true"]), token


def pairs(ports: tuple[int, int], scene: Scene, count: int, token: str = "") -> np.ndarray:
    """Seconds (count, 2) of next clicks on one slice: other, this; who is first alternates."""
    seconds = np.zeros((count, 2))
    with Station(ports[0]) as other, Station(ports[1], token=token) as this:
        stations = (other, this)
        for number in range(-WARM, count):
            prompts = scene.clicks(1, scene.middle, seed=max(number, 0))
            for side in (0, 1) if number % 2 else (1, 0):
                reply = stations[side].click("sam_2d", scene.image, prompts)
                if number >= 0:
                    seconds[number, side] = reply.seconds
    return seconds


def main() -> None:
    """Start both, ask both, say the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    against = parser.add_mutually_exclusive_group(required=True)
    against.add_argument("--other", type=Path, help="the Python of the other checkout's environment")
    against.add_argument("--logins", action="store_true", help="this checkout with logins on, beside itself without")
    parser.add_argument("--count", type=int, default=300, help="pairs of clicks")
    parser.add_argument("--threads", type=int, default=1, help="per server")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--allow-changed", action="store_true", help="measure a source tree that no commit names")
    options = parser.parse_args()
    require_clean(options.allow_changed)
    started = time.time()
    with tempfile.TemporaryDirectory(prefix="samlabel-pairs-") as name:
        folder = Path(name)
        scene = write_scenes(folder / "studies", 1)[0]
        mine = launch(folder / "this", folder / "studies", "tiny", options.threads)
        token = ""
        if options.logins:
            other = launch(folder / "other", folder / "studies", "tiny", options.threads)
            mine, token = with_logins(mine)
        else:
            other = other_launch(mine, options.other.absolute(), folder / "other")
        with Running(other) as before, Running(mine) as after:
            seconds = pairs((before.port, after.port), scene, options.count, token)
    ratios = np.log(seconds[:, 1] / seconds[:, 0])
    low, high = np.exp(np.percentile(drawn_again(ratios, RESAMPLES), (2.5, 97.5)))
    row = {
        "phase": "next click with logins" if options.logins else "next_click",
        "n": options.count,
        "other_median_ms": round(float(np.median(seconds[:, 0])) * 1000, 2),
        "this_median_ms": round(float(np.median(seconds[:, 1])) * 1000, 2),
        "difference_ms": round(float(np.median(seconds[:, 1] - seconds[:, 0])) * 1000, 3),
        "ratio": round(float(np.exp(np.median(ratios))), 4),
        "mean_ratio_ci": [round(float(low), 4), round(float(high), 4)],
    }
    told = {name: value for name, value in vars(options).items() if name not in ("out", "allow_changed")}
    Report(spelled("benchmarks/paired_clicks.py", told), 0, [row], started).write(options.out)
    sys.stdout.write(f"{row}\n")


if __name__ == "__main__":
    main()
