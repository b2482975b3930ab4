"""Stock MONAI Label with SAM 2 for the benchmark: a virtual environment of its own, SAM2-tiny with random weights.

Everything comes in the versions that this environment has: those start, a resolver's choice does not, and a ratio then
tells the code apart, not the libraries. Latency does not depend on the values of weights.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import distributions, version
from pathlib import Path

from samlabel.server_bench.server_process import Launch, ServerError

# Where the stock app looks: the base names of these two, in its model folder.
WEIGHTS, CONFIG = "sam2.1_hiera_tiny.pt", "sam2.1_hiera_t.yaml"
MODEL = "sam2_tiny"

# Run by the stock environment's Python; the argument is the app's model folder.
MAKE_WEIGHTS = f"""
import shutil, sys
from pathlib import Path
import sam2, torch
from sam2.build_sam import build_sam2
folder = Path(sys.argv[1])
torch.manual_seed(0)
shutil.copy(Path(sam2.__file__).parent / "configs" / "sam2.1" / "{CONFIG}", folder)
model = build_sam2("configs/sam2.1/{CONFIG}", None, device="cpu")
torch.save({{"model": model.state_dict()}}, folder / "{WEIGHTS}.part")
(folder / "{WEIGHTS}.part").rename(folder / "{WEIGHTS}")
"""

PACKAGES = ("monailabel", "sam2", "setuptools", "pydicom", "dicomweb-client", "torch", "torchvision", "numpy")


def prepare(folder: Path) -> Path:
    """The environment in `folder`, made at the first call; its Python."""
    python = folder / "venv" / "bin" / "python"
    app = folder / "app"
    if (app / "model" / WEIGHTS).exists():
        return python
    folder.mkdir(parents=True, exist_ok=True)
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(f"{name}\n" for name in _present()))
    uv = _uv()
    _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder / "venv")])
    wanted = [f"{name}=={version(name)}" for name in PACKAGES]
    _run([uv, "pip", "install", "--quiet", "--python", str(python), "--constraint", str(constraints), *wanted])
    shutil.copytree(_sample_app(folder), app, dirs_exist_ok=True)
    (app / "model").mkdir(exist_ok=True)
    _run([str(python), "-c", MAKE_WEIGHTS, str(app / "model")])
    return python


def launch(folder: Path, studies: Path, threads: int) -> Launch:
    """The stock server on a studies folder."""
    python = prepare(folder)
    command = [
        str(python),
        "-m",
        "monailabel.main",
        "start_server",
        "--app",
        str(folder / "app"),
        "--studies",
        str(studies),
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
        "--conf",
        "models",
        "segmentation_spleen",
        "--conf",
        "use_pretrained_model",
        "false",
    ]
    environ = {
        **os.environ,
        "PYTHONPATH": "",
        "HOME": str(folder),
        "OMP_NUM_THREADS": str(threads),
        "MONAI_SAM_MODEL_PT": f"https://localhost/{WEIGHTS}",
        "MONAI_SAM_MODEL_CFG": f"https://localhost/{CONFIG}",
        "MONAI_LABEL_TRACKING_ENABLED": "false",
        "MONAI_LABEL_AUTO_UPDATE_SCORING": "false",
    }
    for ours in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):  # the stock server runs as it comes
        environ.pop(ours, None)
    return Launch("stock", MODEL, command, environ, folder)


def _present() -> list[str]:
    """Every package of this environment with its version, but not this project."""
    return sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions() if d.metadata["Name"] != "samlabel"})


def _uv() -> str:
    beside = Path(sys.prefix).parent / f"{Path(sys.prefix).name}.uv" / "bin" / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise ServerError("uv is not installed, and the stock server needs an environment of its own: run `make setup`")
    return found


def _sample_app(folder: Path) -> Path:
    """The radiology app; uv leaves the wheel's data folder where pip would unpack it."""
    found = sorted((folder / "venv").glob("**/sample-apps/radiology/main.py"))
    if not found:
        raise ServerError("the stock package holds no radiology app")
    return found[0].parent


def _run(command: list[str]) -> None:
    environ = {**os.environ, "SAM2_BUILD_CUDA": "0"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ServerError(f"the stock environment could not be made ({Path(command[0]).name}): {said}")
