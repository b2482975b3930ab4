"""Two readers are not sent to the same case."""

from pathlib import Path

import pytest

from samlabel.access import identity
from samlabel.store.leases import NAME, Lease, Leases, holder


class Clock:
    """A clock that is set by hand."""

    time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(tmp_path: Path, clock: Clock) -> Leases:
    return Leases(tmp_path, seconds=60, now=clock)


def test_a_case_belongs_to_who_came_first_until_given_back(leases: Leases) -> None:
    assert leases.take("a", "anna") == Lease("a", "anna", 1060)
    assert leases.take("a", "bert").reader == "anna"
    assert leases.of_others("bert") == {"a"} and leases.of_others("anna") == set()
    leases.end("a", "bert")
    assert leases.of_others("bert") == {"a"}
    leases.end("a", "anna")
    assert leases.take("a", "bert").reader == "bert"


def test_a_lease_runs_out_unless_it_is_renewed(leases: Leases, clock: Clock) -> None:
    leases.take("a", "anna")
    clock.time += 50
    leases.take("a", "anna")
    clock.time += 50
    assert leases.of_others("bert") == {"a"}
    clock.time += 11
    assert leases.of_others("bert") == set() and leases.take("a", "bert").reader == "bert"


def test_leases_survive_a_restart_and_a_damaged_file(leases: Leases, tmp_path: Path, clock: Clock) -> None:
    leases.take("a", "anna")
    assert Leases(tmp_path, now=clock).of_others("bert") == {"a"}
    (tmp_path / NAME).write_text('[{"image": "a", "rea')
    assert Leases(tmp_path, now=clock).of_others("bert") == set()
    assert leases.take("a", "bert").reader == "bert"


def test_who_asks() -> None:
    assert holder({}) == identity.LOCAL
    assert holder({"client_id": "user-1a2b"}) == "user-1a2b"
    assert holder({"client_id": "no such name!"}) == identity.LOCAL
    with identity.acting_as("anna"):
        assert holder({"client_id": "user-1a2b"}) == "anna"
