"""Lazy imports of heavy packages that somebody else's modules name at start: each is imported at its first use.

The host imports all of monai, and with it mlflow, pandas, matplotlib, scikit-learn, sympy and half of torch's
compiler, for functions that this server never calls: more than half of the time and a third of the memory of a start.
SAM's own package does the same with torchvision. Within `deferred(...)` such packages are replaced by stand-ins. A
name taken from a stand-in is the real thing as soon as it is called, looked into, inherited from or asked about an
instance; an import after the block is an ordinary one.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class DeferredName:
    """One name of a package that is not loaded yet."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def _real(self) -> Any:
        _remove_stand_ins()  # whoever needs the real package within the block gets it, and ends the waiting
        try:
            return importlib.import_module(f"{self._module}.{self._name}")
        except ModuleNotFoundError:
            return getattr(importlib.import_module(self._module), self._name)

    def __call__(self, *given: Any, **named: Any) -> Any:
        """What the real one says."""
        return self._real()(*given, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._real(),)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, self._real())

    def __subclasscheck__(self, cls: type) -> bool:
        return issubclass(cls, self._real())


class _StandIn(ModuleType):
    """A module that knows nothing yet."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        return DeferredName(self.__name__, name)


class _Finder(MetaPathFinder, Loader):
    """Makes stand-ins for some packages and everything below them."""

    def __init__(self, packages: Collection[str]) -> None:
        self._packages = packages

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A stand-in's, or nobody's."""
        return ModuleSpec(fullname, self, is_package=True) if fullname.split(".")[0] in self._packages else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The stand-in."""
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


@contextmanager
def deferred(*packages: str) -> Iterator[None]:
    """Within the block, imports of these packages cost nothing; packages that are loaded already stay as they are."""
    own = {name for name in packages if name not in sys.modules}
    finder = _Finder(own)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:  # of this block alone: it may lie in another one, which goes on waiting
        sys.meta_path[:] = [other for other in sys.meta_path if other is not finder]
        _forget(own)


def _remove_stand_ins() -> None:
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    _forget({name.split(".")[0] for name in sys.modules})


def _forget(packages: Collection[str]) -> None:
    for name in [name for name, module in sys.modules.items() if isinstance(module, _StandIn)]:
        if name.split(".")[0] in packages:
            del sys.modules[name]
