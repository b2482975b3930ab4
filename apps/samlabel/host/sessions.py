"""Session clean-up: expired uploads outside the studies folder are removed, whatever state their folders are in.

The host's own clean-up raises on a session folder without its record, and runs at start: one left-over folder keeps
the server from starting.
"""

from __future__ import annotations

import shutil
import time
import uuid
from pathlib import Path

import structlog
from monailabel.utils.sessions import Sessions

log = structlog.get_logger(__name__)


def remove_expired(sessions: Sessions, now: float | None = None) -> int:
    """Delete sessions that are over or cannot be read; how many."""
    now = time.time() if now is None else now
    root = Path(sessions.store_path)
    folders = [path for path in root.iterdir() if path.is_dir() and _is_session(path.name)] if root.is_dir() else []
    over = [path for path in folders if _is_over(sessions, path, now)]
    for path in over:
        sessions.pop(path.name, None)
        shutil.rmtree(path, ignore_errors=True)
    return len(over)


def _is_session(name: str) -> bool:
    try:
        uuid.UUID(name)
    except ValueError:
        return False
    return True


def _is_over(sessions: Sessions, folder: Path, now: float) -> bool:
    try:
        info = sessions.get_session(folder.name, update_ts=False, fetch_cache=False)
    except (ValueError, TypeError, AttributeError, OSError) as error:
        log.warning("damaged session removed", session=folder.name, reason=repr(error))
        return True
    return info is None or (info.expiry > 0 and info.last_access_ts + info.expiry < now)
