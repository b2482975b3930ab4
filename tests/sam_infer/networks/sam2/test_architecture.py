"""SAM 2.1's four networks have the layouts of the published files; the package is imported without setting up hydra."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from sam_infer.errors import ModelError
from sam_infer.weights.tensor_layout import compare, layout_of, published_layout

pytest.importorskip("sam2")

from sam_infer.networks.sam2.architecture import SHAPES, HieraShape, build, with_weights


@pytest.mark.parametrize("name", ["sam2.1_hiera_tiny", "sam2.1_hiera_base_plus"])
def test_our_architecture_has_the_manifests_layout(name: str) -> None:
    ours = layout_of(build(SHAPES[name]).state_dict())
    assert str(compare(ours, published_layout(name))) == "none"


def test_weights_of_another_size_are_refused() -> None:
    network = build(HieraShape(16, 1, (1, 1, 2, 1), (3,), input_size=128))
    state = {name: torch.zeros(1) for name in network.state_dict()}
    with pytest.raises(ModelError, match="do not fit the network"):
        with_weights(network, state)


ALONE = """
import sys
import sam_infer.networks.sam2.modules
print(sorted({name.split(".")[0] for name in sys.modules} & {"hydra", "torchvision", "iopath"}), "sam2" in sys.modules)
import sam2
print("hydra" in sys.modules, sam2.__file__.endswith("__init__.py"))
"""


def test_the_package_is_imported_without_its_own_start() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[] False", "True True"]


MISSING = """
import importlib.util, sys

class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "sam2":
            raise ModuleNotFoundError(name)

found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "sam2" else found(name, package)
sys.meta_path.insert(0, Gone())
from sam_infer.propagation.engine import ENGINES, offered
print(list(ENGINES), offered("sam2.1_hiera_tiny"))
try:
    import sam_infer.networks.sam2.modules
except Exception as error:
    print(type(error).__name__, error)
"""


def test_without_the_package_the_engine_is_not_offered() -> None:
    done = subprocess.run([sys.executable, "-c", MISSING], capture_output=True, text=True, check=True)
    offered, refused = done.stdout.strip().split("\n")
    assert offered == "['tracker'] ['auto', 'tracker']"
    assert refused.startswith("ModelError SAM 2 needs the package sam2, which is not installed")
