"""A code is worth something once, for a minute, for one page and for whoever has its verifier."""

from __future__ import annotations

import pytest

from samlabel.errors import RequestError
from samlabel.logins.handover import MOST, SECONDS, Handovers
from samlabel.logins.person import Person
from samlabel.logins.secrets import challenge_of, new_secret
from tests.samlabel.people import Clock

ADA, PAGE = Person("ada", "annotator"), "https://ohif.hospital"
VERIFIER = new_secret()


def test_a_code_works_once() -> None:
    handovers = Handovers(Clock())
    code = handovers.code(ADA, challenge_of(VERIFIER), PAGE)
    assert handovers.person_of(code, VERIFIER, PAGE) == ADA
    assert handovers.person_of(code, VERIFIER, PAGE) is None


@pytest.mark.parametrize(
    ("verifier", "origin", "later"),
    [("guess", PAGE, 0), (VERIFIER, "https://evil", 0), (VERIFIER, PAGE, SECONDS)],
    ids=["another secret", "another page", "too late"],
)
def test_a_code_in_other_hands_is_worth_nothing_and_is_gone(verifier: str, origin: str, later: float) -> None:
    clock = Clock()
    handovers = Handovers(clock)
    code = handovers.code(ADA, challenge_of(VERIFIER), PAGE)
    clock.now += later
    assert handovers.person_of(code, verifier, origin) is None
    assert handovers.person_of(code, VERIFIER, PAGE) is None


def test_the_challenge_is_the_one_of_the_standard() -> None:
    # RFC 7636, appendix B
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    for bad in ("", "x", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"):
        with pytest.raises(RequestError, match="challenge"):
            Handovers().code(ADA, bad, PAGE)


def test_codes_that_nobody_asks_for_fill_no_memory() -> None:
    handovers = Handovers(Clock())
    codes = [handovers.code(ADA, challenge_of(VERIFIER), PAGE) for _ in range(MOST + 5)]
    assert handovers.person_of(codes[0], VERIFIER, PAGE) is None
    assert handovers.person_of(codes[-1], VERIFIER, PAGE) == ADA
