"""The app that runs and the settings it runs with, as typed values: the one way in to what the host keeps.

The host hands out its app without a type, keeps the app's parts in private dictionaries, and spreads what it knows of
an archive over ten variables. Whoever needs one of these asks here, so each name of the host is written once and the
type checker sees every use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from monailabel.config import settings
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.exception import MONAILabelError, MONAILabelException
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.sessions import Sessions

from sam_trainer.labels.ledger import Ledger
from sam_trainer.studies import Studies
from samlabel.config import AppConfig


class Learns(Protocol):
    """What the route of the online learner asks; `samlabel.online.learning.OnlineLearning` is it."""

    def facts(self, reader: str) -> dict[str, Any]:
        """What a reader's learners know."""
        ...

    def reset(self, reader: str) -> None:
        """Forget it."""
        ...

    def switch(self, reader: str, on: bool) -> None:
        """Cease, or begin again."""
        ...


@runtime_checkable
class RunningApp(Protocol):
    """What routes ask of the app; `samlabel.server.app.SamApp` is it."""

    config: AppConfig
    studies: str
    source: Studies  # the same as a value
    _infers: dict[str, InferTask]
    _trainers: dict[str, TrainTask]
    _strategies: dict[str, Strategy]
    _scoring_methods: dict[str, ScoringMethod]

    @property
    def ledger(self) -> Ledger:
        """Every label of the studies that was accepted."""
        ...

    @property
    def online(self) -> Learns:
        """What was learned since the adapter."""
        ...

    def datastore(self) -> Datastore:
        """Images and labels."""
        ...

    def sessions(self) -> Sessions | None:
        """Images that clients uploaded beside the studies; None where that is switched off."""
        ...

    def infer_task(self, name: str | None) -> InferTask:
        """The task of a name; refused when there is none."""
        ...

    def answer(self, request: Mapping[str, Any]) -> Any:
        """The `samlabel.wire.reply.Reply` to a reader's request about one image."""
        ...


def running_app() -> RunningApp:
    """The app of this process; the host builds it when it is first asked for."""
    app: RunningApp = app_instance()
    return app


def infer_tasks() -> Mapping[str, InferTask]:
    """The app's models, by name."""
    return running_app()._infers


def trainers() -> Mapping[str, TrainTask]:
    """The app's trainers, by name."""
    return running_app()._trainers


def strategies() -> Mapping[str, Strategy]:
    """The app's ways to choose the next case, by name."""
    return running_app()._strategies


def scoring_methods() -> Mapping[str, ScoringMethod]:
    """The app's ways to score cases, by name."""
    return running_app()._scoring_methods


def told_by(error: MONAILabelException) -> tuple[MONAILabelError, str]:
    """Kind and sentence of one of the host's exceptions, which sets them in a way that no type checker sees."""
    told: Any = error
    return told.error, str(told.msg)


@dataclass(frozen=True)
class ArchiveSettings:
    """How a DICOMweb archive is reached, and what is kept of it."""

    address: str  # of the archive; the studies folder where there is none
    prefixes: Mapping[str, str | None]  # of the services qido, wado and stow
    login: tuple[str, str] | None = field(repr=False)  # user and password, for no log
    timeout_s: float  # of requests that are passed on for a viewer
    search_filter: dict[str, Any]
    cache: str | None  # the folder of downloaded series; None for the host's own
    by_frame: bool  # downloads one frame at a time
    as_nifti: bool  # keeps a series as one file


def archive_settings() -> ArchiveSettings:
    """The host's settings of this moment."""
    user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
    return ArchiveSettings(
        address=settings.MONAI_LABEL_STUDIES.rstrip("/"),
        prefixes={
            "qido": settings.MONAI_LABEL_QIDO_PREFIX,
            "wado": settings.MONAI_LABEL_WADO_PREFIX,
            "stow": settings.MONAI_LABEL_STOW_PREFIX,
        },
        login=(user, password) if user and password else None,
        timeout_s=settings.MONAI_LABEL_DICOMWEB_PROXY_TIMEOUT,
        search_filter=settings.MONAI_LABEL_DICOMWEB_SEARCH_FILTER,
        cache=settings.MONAI_LABEL_DICOMWEB_CACHE_PATH.strip() or None,
        by_frame=settings.MONAI_LABEL_DICOMWEB_FETCH_BY_FRAME,
        as_nifti=settings.MONAI_LABEL_DICOMWEB_CONVERT_TO_NIFTI,
    )
