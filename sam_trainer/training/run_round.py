"""Runs one training round: from accepted labels to a judged and perhaps promoted adapter.

    freeze the labels -> train -> keep the best version as a candidate -> judge it -> promote it, or keep it aside

A training lives in HOME/training/MODEL/RUN. Everything in it is written whole or not at all; a training that was
killed goes on with `resume`, its labels unchanged whatever was accepted meanwhile.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sam_infer.adapters.adapter import Adapter
from sam_infer.adapters.store import BY_GATE, AdapterStore
from sam_infer.audit.line import TRAINING_ENDED, TRAINING_STARTED, Deed
from sam_infer.audit.trail import Trail
from sam_infer.errors import AdapterError, SamError
from sam_infer.home import default_home
from sam_infer.models.load import load_network
from sam_infer.networks.runtimes.precision import AUTO
from sam_infer.weights.available import SHOWN_DIGITS
from sam_trainer.config import BEST_OF, TrainConfig
from sam_trainer.errors import StoppedError, TrainingError
from sam_trainer.judging.gate import Semantic, Verdict, judge
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.labels.round import HELD_OUT, AcceptedLabel, LabelRound, open_round, read_round
from sam_trainer.methods.trainable import trainable
from sam_trainer.training.contest import WATCHING, Contest
from sam_trainer.training.fit import Fit
from sam_trainer.training.precision import settled
from sam_trainer.training.progress import DONE, FAILED, RUNNING, STOPPED, Progress, read_progress
from sam_trainer.training.record import draw_fit
from sam_trainer.training.round_setup import CONTEST, Chosen, RoundSetup, Trained, plain
from sam_trainer.training.state import STATE_FILE
from sam_trainer.training.workers import worker_ranks

log = logging.getLogger(__name__)

# The labels and the settings are kept, and there is nothing else yet.
STOPPED_EARLY = "stopped before the first epoch was over: nothing was learned yet; --resume begins it again"
STOPPED_AGAIN = "stopped while the labels were read again: what was learned before is kept; --resume goes on"

PROGRESS_FILE, CONFIG_FILE, END_FILE = "progress.json", "config.json", "end.json"
LOCK_FILE = ".lock"  # held as long as a training runs


@dataclass(frozen=True)
class RoundOutcome:
    """What came of a round."""

    adapter: str | None  # None: stopped before anything was learned
    promoted: bool
    message: str
    verdict: Verdict | None = None
    named_by: str = ""  # which of two networks names labels without a prompt, and why: a sentence
    contest: Mapping[str, Any] | None = None  # the methods that the adapter's was chosen from


def training_folder(model: str, home: Path | None = None) -> Path:
    """Where the trainings of a model live."""
    return (home or default_home()) / "training" / model


class TrainingRound:
    """One round of one model; holds the paths, decides nothing that is not written down."""

    def __init__(self, config: TrainConfig, policy: GatePolicy, home: Path | None = None) -> None:
        self.config = settled(config)
        self._any_precision = config.precision == AUTO
        self.policy = policy
        self._home = home or default_home()
        self._folder = training_folder(config.model, home)
        self._store = AdapterStore(config.model, home)

    def run(
        self, accepted: Sequence[AcceptedLabel], should_stop: Callable[[], bool] = lambda: False, resume: bool = False
    ) -> RoundOutcome:
        """Train on what was accepted, or go on with the last training; the outcome is also in the progress file."""
        with self._alone(), self._progress() as progress:
            learned = self._recorded(lambda: self._learn(accepted, progress, should_stop, resume), resume)
            facts = {"adapter": learned.adapter, "promoted": learned.promoted, "named_by": learned.named_by}
            progress.finish(STOPPED if learned.verdict is None else DONE, learned.message, **facts)
        return learned

    def _recorded(self, learn: Callable[[], RoundOutcome], resume: bool) -> RoundOutcome:
        """What `learn` makes, between two lines of the audit trail; of a training that is killed there is only one."""
        model, add = self.config.model, Trail.of(self._home).add
        settings = sha256(json.dumps(plain(self.config), sort_keys=True).encode()).hexdigest()
        add(Deed(TRAINING_STARTED, model, settings, "resumed" if resume else self.config.method))
        try:
            learned = learn()
        except BaseException as error:
            add(Deed(TRAINING_ENDED, model, settings, f"failed: {type(error).__name__}"))
            raise
        how = "stopped" if learned.verdict is None else "promoted" if learned.promoted else "kept as a candidate"
        add(Deed(TRAINING_ENDED, model, learned.adapter or settings, how))
        return learned

    @contextmanager
    def _progress(self) -> Iterator[Progress]:
        """The progress file, which also says how a round failed."""
        progress = Progress(
            self._folder / PROGRESS_FILE, self.config.epochs, method=self.config.method, model=self.config.model
        )
        try:
            yield progress
        except SamError as error:
            progress.finish(FAILED, str(error))
            raise
        except BaseException as error:
            progress.finish(FAILED, f"the training ended by a fault: {error!r}")
            raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One training of a model at a time, whoever started it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(str(self._folder / LOCK_FILE), timeout=0)
            lock.acquire()
        except Timeout:
            raise TrainingError(self._busy()) from None
        except OSError as error:
            raise _unwritable(error) from error
        try:
            yield
        finally:
            lock.release()

    def _busy(self) -> str:
        """Who trains, and how far that is."""
        facts = read_progress(self._folder / PROGRESS_FILE)
        who = f" (process {facts['pid']}, {facts.get('percent', 0):.0f} %)" if facts.get("state") == RUNNING else ""
        how = f", with `kill {facts['pid']}`" if who else ""
        return f"a training of {self.config.model} is running{who}: wait for its end, or stop it{how}"

    def _learn(
        self, accepted: Sequence[AcceptedLabel], progress: Progress, should_stop: Callable[[], bool], resume: bool
    ) -> RoundOutcome:
        base = load_network(self.config.model, self._home, AUTO)
        folder, found = self._opened(accepted, resume)
        progress.facts["left_out"] = list(found.left_out)
        for sentence in found.left_out:
            log.warning("%s", sentence)
        setup = RoundSetup(base, self.config, self._home, should_stop)
        progress.facts["run"] = folder.name
        try:
            if self.config.method == BEST_OF:
                trained = Contest(setup, found, folder, progress).run()
            else:
                trained = self._trained(setup, found, folder, progress, resume)
        except StoppedError as stop:
            return RoundOutcome(None, False, str(stop) or (STOPPED_AGAIN if resume else STOPPED_EARLY))
        if not trained.fitted.tensors:
            return RoundOutcome(None, False, STOPPED_EARLY)
        learned = self._concluded(trained, found, progress)
        if learned.verdict is not None:
            _end(folder, learned.message)
        return learned

    def _trained(self, setup: RoundSetup, found: LabelRound, folder: Path, progress: Progress, resume: bool) -> Trained:
        """One method, alone or with the other processes of its group."""
        with worker_ranks(self.config, folder, self._home) as group:
            teacher = setup.teacher(found, progress.reading)
            fit = Fit(trainable(setup.base), self.config, teacher, folder, group)
            if resume:
                fit.resume()
            return Trained(setup, fit.run(progress, setup.should_stop), fit.parameters, folder)

    def _concluded(self, trained: Trained, found: LabelRound, progress: Progress) -> RoundOutcome:
        """The adapter that a training made, kept and judged; one that was stopped is kept only."""
        setup, fitted = trained.setup, trained.fitted
        if not fitted.stopped:  # its curves go on, and whoever asked for an end waits
            draw_fit(trained.folder, f"{self.config.model}, {setup.config.method}, {progress.facts['run']}")
        progress.judging()
        chosen = setup.chosen(fitted, found, self.policy)
        adapter = setup.adapter(trained, chosen, found)
        name = self._store.put(adapter)
        learned = self._judged(name, adapter, found, setup, chosen) if not fitted.stopped else None
        if learned is None:
            message = f"stopped: the best version so far is kept as {name[:SHOWN_DIGITS]}, not judged; resume goes on"
            learned = RoundOutcome(name, False, message)  # its state stays
        return replace(learned, contest=trained.contest)

    def _opened(self, accepted: Sequence[AcceptedLabel], resume: bool) -> tuple[Path, LabelRound]:
        """The folder and the labels of a new training, or of the last one."""
        if resume:
            folder = self._last()
            config = json.loads((folder / CONFIG_FILE).read_text())
            if self._any_precision:  # it goes on in the numbers that it began with
                self.config = replace(self.config, precision=config.get("precision", self.config.precision))
            if config != plain(self.config):
                raise TrainingError(
                    "the training to resume had other settings: give the same ones, or start a new one", "resume"
                )
            return folder, read_round(folder)
        folder = self._folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        try:
            for state in (f"*/{STATE_FILE}", f"*/*/{STATE_FILE}"):  # of a method, or of several that competed
                for abandoned in self._folder.glob(state):
                    abandoned.unlink(missing_ok=True)
            folder.mkdir(parents=True)
            found = open_round(accepted, folder, WATCHING if self.config.method == BEST_OF else 0)
            (folder / CONFIG_FILE).write_text(json.dumps(plain(self.config)))
        except OSError as error:
            raise _unwritable(error) from error
        return folder, found

    def _last(self) -> Path:
        """The newest training that has not come to an end."""
        folders = sorted(path.parent for path in self._folder.glob(f"*/{CONFIG_FILE}"))
        if not folders or (folders[-1] / END_FILE).exists():
            raise TrainingError("there is no interrupted training to resume: start a new one", "resume")
        return folders[-1]

    def _judged(
        self, name: str, adapter: Adapter, found: LabelRound, setup: RoundSetup, chosen: Chosen
    ) -> RoundOutcome | None:
        """The verdict, written beside the adapter, and its consequence; None when somebody asked for an end."""
        incumbent, serving = self._incumbent(setup)
        cases = found.of(HELD_OUT)
        try:
            before, named_before = setup.judged(incumbent, cases, self.policy)
            after, named_after = setup.judged(adapter, cases, self.policy, chosen.scores)
        except StoppedError:
            return None
        # a head that is gone names nothing
        named = Semantic(named_before, named_after or [replace(score, dice=0.0) for score in named_before])
        verdict = judge(before, after, self.policy, named)
        facts = {**verdict.facts(), "against": serving, "when": datetime.now(UTC).isoformat(timespec="seconds")}
        named_by = adapter.provenance.named_why
        if named_by:
            facts["named_by"] = named_by
        if CONTEST in adapter.provenance.metrics:
            facts[CONTEST] = adapter.provenance.metrics[CONTEST]
        self._store.write_verdict(name, facts)
        if verdict.promote:
            self._store.promote(name, verdict.reason, BY_GATE)
        state = "promoted" if verdict.promote else "kept as a candidate"
        message = f"adapter {name[:SHOWN_DIGITS]} {state}: {verdict.reason}"
        return RoundOutcome(name, verdict.promote, message, verdict, named_by)

    def _incumbent(self, setup: RoundSetup) -> tuple[Adapter | None, str | None]:
        """The adapter that serves, and its id; one that cannot be used is what the server does without, too."""
        try:
            serving = self._store.pointer().adapter
            if serving is None:
                return None, None
            incumbent = self._store.get(serving)
            setup.require_fit(incumbent)
        except AdapterError as error:
            log.warning("the incumbent cannot be used, the base network stands in for it: %s", error)
            return None, None
        return incumbent, serving


def _unwritable(error: OSError) -> TrainingError:
    return TrainingError(f"the training's folder cannot be written ({error.strerror or error}): free some space")


def _end(folder: Path, message: str) -> None:
    """There is nothing to resume any more: of a large network the state alone is gigabytes."""
    (folder / END_FILE).write_text(json.dumps({"message": message}) + "\n")
    for state in (folder / STATE_FILE, *folder.glob(f"*/{STATE_FILE}")):
        state.unlink(missing_ok=True)
