"""Projects: which cases belong to one, who sees them, and which labels."""

from __future__ import annotations

import pytest

from samlabel.errors import ConfigError, NotFoundError
from samlabel.logins.person import Person
from samlabel.logins.projects import Case, ProjectFilter, Projects
from tests.samlabel.people import People

LIVER = ProjectFilter("liver", patients=("LIV-*",), modalities=("CT",), labels=("liver", "spleen"))
CHEST = ProjectFilter("chest", descriptions=("*thorax*",))
CASES = [
    Case("1.1", "1", "LIV-1", "Abdomen", "CT"),
    Case("1.2", "1", "LIV-1", "Abdomen", "MR"),
    Case("2.1", "2", "P2", "CT Thorax native", "CT"),
    Case("3.1", "3", "P3", "Knee", "MR"),
]


@pytest.fixture
def projects(people: People) -> Projects:
    for project in (LIVER, CHEST):
        people.desk.projects.set(project)
    return people.desk.projects


@pytest.mark.parametrize(
    ("own", "images", "labels"),
    [
        (("liver",), {"1.1", "1.2", "3.1"}, {"liver", "spleen"}),
        (("chest",), {"1.2", "2.1", "3.1"}, None),
        (("liver", "chest"), {"1.1", "1.2", "2.1", "3.1"}, None),
        ((), {"1.2", "3.1"}, None),
        (("gone",), {"1.2", "3.1"}, None),
    ],
)
def test_an_annotator_sees_the_cases_of_their_projects_and_of_none(
    projects: Projects, own: tuple[str, ...], images: set[str], labels: set[str] | None
) -> None:
    seen = projects.seen_by(Person("ada", "annotator", projects=own), CASES)
    assert seen.images == images and seen.labels == labels
    assert seen.studies == {image.partition(".")[0] for image in images}


def test_a_project_is_kept_changed_and_dissolved(projects: Projects, people: People) -> None:
    assert people.restarted().projects.all() == [CHEST, LIVER]
    projects.set(ProjectFilter("chest", modalities=("CR",)))
    projects.remove("liver")
    assert people.restarted().projects.all() == [ProjectFilter("chest", modalities=("CR",))]
    with pytest.raises(NotFoundError):
        projects.remove("liver")
    for bad in (ProjectFilter("all"), ProjectFilter("../x", ("a",)), ProjectFilter("", ("a",))):
        with pytest.raises(ConfigError):
            projects.set(bad)


def test_where_there_is_no_patient_the_image_s_name_counts() -> None:
    assert ProjectFilter("a", patients=("scan_?",)).holds(Case("scan_1")) and not LIVER.holds(Case("scan_1"))
