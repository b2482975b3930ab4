"""One studies folder or archive opened without a server, for commands that score, choose and report."""

from __future__ import annotations

from functools import cached_property

from sam_trainer.studies import Studies
from samlabel.config import AppConfig
from samlabel.errors import ConfigError
from samlabel.host import settings as host_settings
from samlabel.host.lazy_host import light_host

# The host prints its choices when it is imported, and reads its settings then: ours come first.
host_settings.apply()

with light_host():
    from sam_infer.serving.server_state import Serving
    from sam_trainer.active.case_scoring import CaseScoring
    from sam_trainer.active.selection import Selection
    from samlabel.engine import load_serving, serving_adapter
    from samlabel.label_names import LabelNames, app_labels
    from samlabel.loop.study_cases import StudyCases
    from samlabel.store.archive import open_archive
    from samlabel.store.folder import StudyStore


class Offline:
    """One studies folder or archive, opened by a command."""

    def __init__(self, studies: Studies, **conf: str | None) -> None:
        if not studies.is_archive and not studies.folder.is_dir():
            raise ConfigError(f"there is no studies folder {str(studies)!r}", "studies")
        self.studies = studies
        self.config = AppConfig.of({key: value for key, value in conf.items() if value is not None})
        self.names: LabelNames = app_labels(self.config, str(studies))

    @cached_property
    def store(self) -> StudyStore:
        """Images and labels, as a server sees them."""
        if self.studies.is_archive:
            return open_archive(str(self.studies))
        return StudyStore(str(self.studies), auto_reload=False)

    @cached_property
    def serving(self) -> Serving:
        """The network that serves."""
        return load_serving(self.config, self.studies)

    @cached_property
    def selection(self) -> Selection:
        """What is known when a case is chosen."""
        return Selection(self.studies, self.config.selection_policy, lambda: serving_adapter(self.config))

    def scoring(self, measure: str | None) -> CaseScoring:
        """What makes scores."""
        return CaseScoring(self.serving, StudyCases(self.store, self.studies, self.names), self.config.model, measure)
