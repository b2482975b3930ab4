"""SAM 2's own modules, taken from its package without what that does when it is imported.

`import sam2` sets up hydra for the whole process, and its modules name torchvision and iopath, which none of those
taken here uses. So the package's first file is passed over: its modules are found below a bare stand-in, which is gone
afterwards, and whoever imports `sam2` himself gets it whole.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType

from sam_infer.errors import ModelError
from sam_infer.lazy_imports import deferred

PACKAGE = "sam2"


@contextmanager
def _bare() -> Iterator[None]:
    """Within the block, modules of the package are imported without its own start."""
    spec = find_spec(PACKAGE) if PACKAGE not in sys.modules else None
    if spec is None or spec.submodule_search_locations is None:
        yield
        return
    stand_in = ModuleType(PACKAGE)
    stand_in.__path__ = list(spec.submodule_search_locations)
    sys.modules[PACKAGE] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(PACKAGE) is stand_in:
            del sys.modules[PACKAGE]


try:
    with deferred("torchvision", "iopath"), _bare():
        from sam2.modeling.backbones.hieradet import Hiera
        from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
        from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer
        from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
        from sam2.modeling.position_encoding import PositionEmbeddingSine
        from sam2.modeling.sam.transformer import RoPEAttention
        from sam2.modeling.sam2_base import SAM2Base
except ModuleNotFoundError as error:
    raise ModelError(
        "SAM 2 needs the package sam2, which is not installed: install it with `pip install sam2`", "model"
    ) from error

__all__ = [
    "CXBlock",
    "FpnNeck",
    "Fuser",
    "Hiera",
    "ImageEncoder",
    "MaskDownSampler",
    "MemoryAttention",
    "MemoryAttentionLayer",
    "MemoryEncoder",
    "PositionEmbeddingSine",
    "RoPEAttention",
    "SAM2Base",
]
