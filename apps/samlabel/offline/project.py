"""One studies folder or archive opened without a server, for commands that score, choose and report."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from samlabel.config import AppConfig
from samlabel.errors import ConfigError
from samlabel.host import settings as host_settings

# The host prints its choices when it is imported, and reads its settings then: ours come first.
host_settings.apply()

from sam_infer.serving.server_state import Serving  # noqa: E402
from samlabel.engine import load_serving, serving_adapter  # noqa: E402
from samlabel.label_names import LabelNames, app_labels  # noqa: E402
from samlabel.loop.case_scoring import CaseScoring  # noqa: E402
from samlabel.loop.selection import Selection  # noqa: E402
from samlabel.store.archive import open_archive  # noqa: E402
from samlabel.store.folder import StudyStore  # noqa: E402


class Offline:
    """One studies folder or archive, opened by a command."""

    def __init__(self, studies: str, **conf: str | None) -> None:
        local = "://" not in studies
        if local and not Path(studies).is_dir():
            raise ConfigError(f"there is no studies folder {studies!r}", "studies")
        self.studies = str(Path(studies).resolve()) if local else studies.rstrip("/")
        self.config = AppConfig.of({key: value for key, value in conf.items() if value is not None})
        self.names: LabelNames = app_labels(self.config, self.studies)

    @cached_property
    def store(self) -> StudyStore:
        """Images and labels, as a server sees them."""
        if "://" in self.studies:
            return open_archive(self.studies)
        return StudyStore(self.studies, auto_reload=False)

    @cached_property
    def serving(self) -> Serving:
        """The network that serves."""
        return load_serving(self.config)

    @cached_property
    def selection(self) -> Selection:
        """What is known when a case is chosen."""
        return Selection(self.studies, self.config, lambda: serving_adapter(self.config))

    def desk(self, measure: str | None) -> CaseScoring:
        """What scores need."""
        return CaseScoring(self.serving, self.store, self.names, self.studies, self.config.model, measure)
