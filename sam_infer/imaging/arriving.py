"""Volume that is still being read: a slice can be looked at as soon as it is there, everything else waits for the rest.

A click on a volume that nobody has opened needs one slice of it. It is answered while the others are unpacked, under a
name that only this reading has; the answer is given once the file has proved to be whole.

Threading model. One thread reads and says how far it has come; any number of others look and wait.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume, guessed_from, shows_air

_ARRIVING = "arriving "


class Reading:
    """How far the reading of a file has come, and how it ended."""

    def __init__(self) -> None:
        self.there = 0  # bytes of voxels
        self.settled = Future[Volume]()
        self.hashed = Future[Volume]()  # the same image, once its digest costs nothing
        self._changed = threading.Condition()

    def grown(self, piece: memoryview) -> None:
        """The next bytes are in their place."""
        with self._changed:
            self.there += len(piece)
            self._changed.notify_all()

    def settle(self, found: Volume | BaseException) -> None:
        """The reading has ended: with the image, or with what is wrong with it."""
        if isinstance(found, BaseException):
            self.settled.set_exception(found)
        else:
            self.settled.set_result(found)
        with self._changed:
            self._changed.notify_all()

    def has(self, count: int) -> bool:
        """Wait for so many bytes; False where the reading has ended without them."""
        with self._changed:
            self._changed.wait_for(lambda: self.there >= count or self.settled.done())
            return self.there >= count


class ArrivingVolume(Volume):
    """Grey voxels that are laid into memory (K, J, I)."""

    reading: Reading
    _name: str
    _memory: npt.NDArray[Any]  # (I, J, K)
    _bytes_of_slice: int

    def __init__(self, memory: npt.NDArray[Any], geometry: Geometry) -> None:
        self.__dict__.update(
            geometry=geometry,
            reading=Reading(),
            _name=f"{_ARRIVING}{uuid4().hex}",
            _memory=memory.transpose(2, 1, 0),
            _bytes_of_slice=memory[0].nbytes,
        )

    def whole(self) -> Volume:
        """The image, once it has been read; raises what is wrong with it."""
        return self.reading.settled.result()

    def shares_memory_with(self, volume: Volume) -> bool:
        """Whether an image holds the voxels that were looked at here."""
        return np.shares_memory(self._memory, volume.array)

    def pixels(self, view: SliceView) -> npt.NDArray[Any]:
        """A slice; across k, as soon as it is there."""
        if view.axis == 2 and self._has(view.index):
            return view.extract(self._memory)
        return self.whole().pixels(view)

    @property
    def array(self) -> npt.NDArray[Any]:
        """All voxels."""
        return self.whole().array

    @property
    def digest(self) -> str:
        """That of the whole image."""
        return self.whole().digest

    @property
    def is_colour(self) -> bool:
        """Never."""
        return False

    @property
    def cache_name(self) -> str:
        """Of this reading alone."""
        return self._name

    @property
    def modality(self) -> str:
        """As soon as it is certain: one slice with air in it makes a CT."""
        for k in guessed_from(self.geometry.shape[2]):
            if self._has(k) and shows_air(self._memory[:, :, k]):
                return "CT"
        return self.whole().modality

    def _has(self, k: int) -> bool:
        return self.reading.has((k + 1) * self._bytes_of_slice)


def on_its_way(memory: npt.NDArray[Any], grid: Geometry | None) -> ArrivingVolume | None:
    """The volume that will be laid into memory (K, J, I); None where voxels may yet change, or lie nowhere."""
    return ArrivingVolume(memory, grid) if grid is not None and memory.dtype.kind in "iu" else None


def whole_of(volume: Volume) -> Volume:
    """An image without a slice missing."""
    return volume.whole() if isinstance(volume, ArrivingVolume) else volume


def is_arriving(cache_name: str) -> bool:
    """Whether a name in a cache is that of an image without a digest."""
    return cache_name.startswith(_ARRIVING)
