"""Projects: named parts of the one studies, each with its own choice of labels; annotators see the cases of theirs.

A case of no project is everybody's. Reviewers, leads and administrators see every case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

from sam_infer.audit.line import PROJECT_CHANGED, PROJECT_REMOVED, Deed
from sam_infer.audit.trail import Trail
from samlabel.errors import ConfigError, NotFoundError
from samlabel.logins.person import Person
from samlabel.logins.private_file import PrivateFile

FILE = "projects.json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Case:
    """What is known of an image before it is opened."""

    image: str  # its id
    study: str = ""
    patient: str = ""
    description: str = ""
    modality: str = ""


@dataclass(frozen=True)
class ProjectFilter:
    """Which cases belong to it: every criterion that is there must fit, one of its patterns each."""

    name: str
    patients: tuple[str, ...] = ()  # patterns with * and ? of patients' ids; of images' ids where there are no patients
    descriptions: tuple[str, ...] = ()  # of the series or the study, in any letters
    modalities: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()  # of the server's, those that are this project's; empty means all

    def holds(self, case: Case) -> bool:
        """Whether a case belongs to it."""
        criteria = (
            (self.patients, case.patient or case.image),
            (self.descriptions, case.description),
            (self.modalities, case.modality),
        )
        return all(not patterns or _fits(patterns, text) for patterns, text in criteria)


@dataclass(frozen=True)
class Seen:
    """What somebody sees who does not see everything."""

    images: frozenset[str]
    studies: frozenset[str]
    labels: frozenset[str] | None  # None: all


class Projects:
    """The projects of one server."""

    def __init__(self, folder: Path) -> None:
        self._file = PrivateFile(folder / FILE)
        self._trail = Trail.of(folder.parent)  # of the home that it lies in

    def all(self) -> list[ProjectFilter]:
        """Every project, by name."""
        found = self._file.read()
        return [_project(name, facts) for name, facts in sorted(found.items())]

    def set(self, project: ProjectFilter) -> None:
        """Make a project, or change what belongs to it."""
        if not _NAME.fullmatch(project.name):
            raise ConfigError("a project's name has up to 64 letters, digits or ._- and starts with one", "name")
        if not (project.patients or project.descriptions or project.modalities):
            raise ConfigError("a project needs patients, descriptions or modalities: what belongs to it?", "patients")
        facts = {key: value for key, value in asdict(project).items() if key != "name"}
        content = sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()  # patterns may name patients
        with self._file.changing() as held:
            self._trail.add(Deed(PROJECT_CHANGED, project.name, content))
            held[project.name] = facts

    def remove(self, name: str) -> None:
        """Dissolve a project: its cases are everybody's, unless another one has them."""
        with self._file.changing() as held:
            if held.pop(name, None) is None:
                raise NotFoundError(f"there is no project {name!r}; 'samlabel projects list' shows them", "name")
            self._trail.add(Deed(PROJECT_REMOVED, name))

    def seen_by(self, person: Person, cases: Iterable[Case]) -> Seen:
        """What an annotator sees: the cases of their projects, and those that are in none."""
        projects = self.all()
        own = [project for project in projects if project.name in person.projects]
        seen = [
            case
            for case in cases
            if any(project.holds(case) for project in own) or not any(project.holds(case) for project in projects)
        ]
        labels = frozenset(label for project in own for label in project.labels)
        limited = bool(own) and all(project.labels for project in own)
        return Seen(
            frozenset(case.image for case in seen),
            frozenset(case.study for case in seen if case.study),
            labels if limited else None,
        )


def _fits(patterns: tuple[str, ...], text: str) -> bool:
    return any(fnmatchcase(text.lower(), pattern.lower()) for pattern in patterns)


def _project(name: str, facts: dict[str, list[str]]) -> ProjectFilter:
    known = {field.name for field in fields(ProjectFilter)} - {"name"}
    try:
        return ProjectFilter(name, **{key: tuple(map(str, facts[key])) for key in known & set(facts)})
    except (TypeError, AttributeError):
        raise ConfigError(f"the project {name!r} in {FILE} is damaged: set it anew", FILE) from None
