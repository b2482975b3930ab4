"""Standing labels of a studies folder or an archive, without those in quarantine, for commands."""

from __future__ import annotations

import typer

from sam_trainer.labels.cases import read_sources
from sam_trainer.labels.intake import recorded
from sam_trainer.labels.ledger import Ledger
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.studies import Studies


def counting_labels(studies: Studies) -> list[AcceptedLabel]:
    """Every accepted label that is not in doubt, in the ledger from now on; those in doubt are said."""
    counting = _of_archive(studies) if studies.is_archive else _of_folder(studies)
    for case, held in sorted(Ledger.of(studies).quarantine().items()):
        reasons = "; ".join(doubt["sentence"] for doubt in held.doubts)
        typer.echo(f"{case} is in quarantine and does not count: {reasons}", err=True)
    return counting


def _of_folder(studies: Studies) -> list[AcceptedLabel]:
    cases = [case for source in read_sources(studies.folder) for case in source.cases]
    found = [AcceptedLabel(case, facts={"found": "in the studies folder"}) for case in cases]
    return recorded(Ledger.of(studies), found, [case.name for case in cases])


def _of_archive(archive: Studies) -> list[AcceptedLabel]:
    from samlabel.host import settings as host_settings  # loads the host, which takes a quarter of a minute

    host_settings.apply()
    from samlabel.label_names import LabelNames
    from samlabel.loop.accepted_labels import accepted_labels
    from samlabel.store.archive import open_archive

    return accepted_labels(open_archive(str(archive)), archive, LabelNames())
