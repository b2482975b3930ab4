"""A thousand wrong passwords are slowed where they come from, and nowhere else."""

from __future__ import annotations

import pytest

from samlabel.logins.throttle import FORGOTTEN_S, FREE, FREE_ADDRESS, LONGEST_S, MOST, Throttle, network_of
from tests.samlabel.people import Clock

HERE, ELSEWHERE = "10.0.0.7", "10.0.0.8"


def test_the_waits_double_up_to_a_quarter_of_an_hour_and_are_forgotten() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    waits = []
    for _ in range(FREE + 14):
        waits.append(throttle.waits("ada", HERE))
        clock.now += waits[-1]
        if waits[-1]:
            assert throttle.waits("ada", HERE) == 0
    assert waits[:FREE] == [0] * FREE and waits[FREE : FREE + 4] == [1, 2, 4, 8] and waits[-1] == LONGEST_S
    clock.now += FORGOTTEN_S
    assert throttle.waits("ada", HERE) == 0 and throttle.waits("ada", HERE) == 0


def test_elsewhere_and_for_others_nothing_waits() -> None:
    throttle = Throttle(Clock())
    for _ in range(FREE):
        throttle.waits("ada", HERE)
    assert throttle.waits("ADA", HERE) > 0  # a name in other letters is the same
    assert throttle.waits("ada", ELSEWHERE) == 0 and throttle.waits("eva", HERE) == 0


def test_an_address_that_tries_many_names_waits_as_a_whole() -> None:
    throttle = Throttle(Clock())
    for number in range(FREE_ADDRESS):
        assert throttle.waits(f"name{number}", HERE) == 0
    assert throttle.waits("ada", HERE) > 0 and throttle.waits("ada", ELSEWHERE) == 0


def test_the_right_password_starts_anew() -> None:
    throttle = Throttle(Clock())
    for _ in range(3 * FREE_ADDRESS):
        assert throttle.waits("ada", HERE) == 0
        throttle.right("ada", HERE)


def test_many_names_fill_no_memory() -> None:
    throttle = Throttle(Clock())
    for number in range(MOST + 100):
        throttle.waits(f"name{number}", f"10.{number % 250}.{number // 250 % 250}.1")
    assert len(throttle._wrong) <= MOST


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("testclient", "testclient"),
    ],
)
def test_an_attacker_cannot_vary_his_network(address: str, network: str) -> None:
    assert network_of(address) == network
