"""ITK loads its parts behind a lock that copies of a process share; nobody gives it back for a copy that is killed.

One test's server, killed while it loaded a part, left the servers of all later tests waiting: copies get own locks.
"""

from __future__ import annotations

from itk.support.lazy import ITKLazyLoadLock, LazyITKModule


def own_lock() -> None:
    """From now on ITK's lock holds between the threads of a process only; before anything of ITK is used."""
    ITKLazyLoadLock.mp_lock = None
    assert LazyITKModule.get_lock().locks == [ITKLazyLoadLock.th_lock], "ITK has been used already"
