"""The list of jobs: who sees which, how they end, and for how long they are remembered."""

from __future__ import annotations

import time
import uuid

import pytest

from sam_infer.job import CancelledError
from samlabel.errors import JobError, NotFoundError
from samlabel.tasks.jobs import Jobs, TrackedJob

ANNA, BEN = "anna", "ben"


def job(reader: str = ANNA, job_id: str = "", partial: bool = False) -> TrackedJob:
    return TrackedJob(job_id or str(uuid.uuid4()), "sam_3d", reader, partial)


def test_a_job_counts_from_its_queue_to_its_end() -> None:
    jobs, one = Jobs(), job()
    with jobs.tracked(one):
        told = jobs.of(one.id, ANNA).facts()
        assert (told["state"], told["done"], told["total"]) == ("queued", 0, None)
        one.begin()
        one.expect(5)
        one.progress(2)
        told = jobs.of(one.id, ANNA).facts()
        assert (told["state"], told["done"], told["total"]) == ("running", 2, 5)
        one.progress(4)
        assert jobs.of(one.id, ANNA).facts()["total"] == 6  # what was expected was too few
        one.expect(10)
    told = jobs.of(one.id, ANNA).facts()
    assert (told["state"], told["done"], told["total"]) == ("done", 6, 6)
    assert jobs.of(one.id, ANNA).facts()["seconds"] == told["seconds"]


def test_how_long_it_takes_is_told_where_it_is_foreseen() -> None:
    one = job()
    assert "foreseen" not in one.facts()
    one.foresee(90.04)
    assert one.facts()["foreseen"] == 90.0


def test_other_readers_and_unknown_ids_are_told_the_same() -> None:
    jobs, one = Jobs(), job()
    with jobs.tracked(one):
        for job_id, reader in ((one.id, BEN), (str(uuid.uuid4()), ANNA)):
            with pytest.raises(NotFoundError, match="there is no job"):
                jobs.of(job_id, reader)


def test_what_goes_wrong_is_a_failure_and_goes_on() -> None:
    jobs, one = Jobs(), job()
    with pytest.raises(ZeroDivisionError), jobs.tracked(one):
        raise ZeroDivisionError
    assert one.facts()["state"] == "failed"


def test_a_client_that_hung_up_is_told_apart_from_a_job_that_was_called_off() -> None:
    jobs, gone, stopped = Jobs(), job(), job(partial=True)
    with pytest.raises(CancelledError), jobs.tracked(gone):
        raise CancelledError("the client has gone")
    with pytest.raises(JobError, match=r"cancelled after 1 slice, before there was a part"), jobs.tracked(stopped):
        stopped.progress(1)
        stopped.call_off()
        raise CancelledError("called off")
    assert gone.facts()["state"] == stopped.facts()["state"] == "cancelled"


def test_a_part_is_a_cancelled_job_and_a_late_wish_is_none() -> None:
    jobs, part, late = Jobs(), job(), job()
    with jobs.tracked(part):
        part.call_off()
        assert part.stops()
    with jobs.tracked(late):
        late.call_off()  # nobody asked again: the last slice was computed
    assert (part.facts()["state"], late.facts()["state"]) == ("cancelled", "done")


def test_an_id_is_free_again_for_its_reader_when_its_job_has_ended() -> None:
    jobs, first = Jobs(), job()
    with jobs.tracked(first), pytest.raises(JobError, match="is taken"), jobs.tracked(job(job_id=first.id)):
        pytest.fail("two jobs of one id")
    assert jobs.of(first.id, ANNA) is first
    with pytest.raises(JobError, match="is taken"), jobs.tracked(job(BEN, first.id)):
        pytest.fail("another reader's id")
    again = job(job_id=first.id)
    with jobs.tracked(again):
        assert jobs.of(first.id, ANNA) is again


def test_finished_jobs_are_forgotten_after_a_while_and_when_there_are_too_many() -> None:
    jobs = Jobs(seconds=100, most=3)
    running = job()
    with jobs.tracked(running):
        ended = [job() for _ in range(5)]
        for one in ended:
            with jobs.tracked(one):
                pass
        assert jobs.of(running.id, ANNA) is running
        with pytest.raises(NotFoundError):
            jobs.of(ended[0].id, ANNA)
        assert jobs.of(ended[-1].id, ANNA) is ended[-1]
        jobs._clock = lambda: time.monotonic() + 101
        with pytest.raises(NotFoundError):
            jobs.of(ended[-1].id, ANNA)
        assert jobs.of(running.id, ANNA) is running


def test_nobody_can_ask_about_a_job_without_a_name() -> None:
    jobs = Jobs()
    with jobs.tracked(TrackedJob()), pytest.raises(NotFoundError):
        jobs.of("", "")
