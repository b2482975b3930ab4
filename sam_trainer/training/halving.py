"""Successive halving: who of a contest goes on, for how long, and the table that says so afterwards.

All begin with a small share of the time. After each rung the better half by validation Dice goes on from where it
stopped, until one is left and has the last share. Every rung has an equal share of the time that is left, and in a rung
everybody has the same time, not the same epochs: a method that looks at three slices costs three times as much.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sam_infer.files import write_whole
from sam_trainer.errors import TrainingError

TABLE_FILE = "contest.json"


@dataclass
class Turn:
    """What somebody did in one rung."""

    epochs: int = 0  # complete ones, of all rungs
    seconds: float = 0.0  # of this one
    dice: float = 0.0  # the best that validation saw so far
    over: bool = False


@dataclass
class Runner:
    """One method in a contest."""

    method: str
    parameters: int = 0
    turns: list[Turn] = field(default_factory=list)
    out: str = ""  # why it does not go on: a sentence

    @property
    def epochs(self) -> int:
        """Complete ones."""
        return self.turns[-1].epochs if self.turns else 0

    @property
    def seconds(self) -> float:
        """Of all rungs."""
        return sum(turn.seconds for turn in self.turns)

    @property
    def dice(self) -> float:
        """The best that validation saw."""
        return self.turns[-1].dice if self.turns else 0.0

    def epochs_before(self, rung: int) -> int:
        """Complete ones when the rung began."""
        return self.turns[rung - 1].epochs if 0 < rung <= len(self.turns) else 0

    def facts(self) -> dict[str, Any]:
        """Its row of the table, for people and programs."""
        return {
            "method": self.method,
            "parameters": self.parameters,
            "epochs": self.epochs,
            "minutes": round(self.seconds / 60, 2),
            "dice": [round(turn.dice, 5) for turn in self.turns if turn.over],  # after each rung
            "out": self.out,
        }


@dataclass
class Halving:
    """Who is in, and which rung it is."""

    seconds: float  # for everybody together
    runners: list[Runner]
    rung: int = 0  # from 0
    total: int = 0  # epochs of the last one, once it is alone

    @property
    def running(self) -> list[Runner]:
        """Those that are in."""
        return [runner for runner in self.runners if not runner.out]

    @property
    def rungs(self) -> int:
        """How many there will have been."""
        left, count = len(self.running), self.rung + 1
        while left > 1:
            left, count = _better_half(left), count + 1
        return count

    @property
    def spent(self) -> float:
        """Seconds of everybody."""
        return sum(runner.seconds for runner in self.runners)

    @property
    def share(self) -> float:
        """Seconds for each in this rung."""
        here = sum(self._turn(runner).seconds for runner in self.runners)
        left = max(0.0, self.seconds - (self.spent - here))
        return left / (self.rungs - self.rung) / len(self.running)

    @property
    def waiting(self) -> list[Runner]:
        """Those whose turn in this rung is not over."""
        return [runner for runner in self.running if not self._turn(runner).over]

    @property
    def used_up(self) -> bool:
        """Whether those who had a turn in the first rung used the time of all, so that nobody else can begin."""
        begun = [runner for runner in self.running if self._turn(runner).over]
        return self.rung == 0 and len(begun) > 1 and self.spent >= self.share * len(self.running)

    def begin(self, runner: Runner) -> Turn:
        """A runner's turn in this rung, or what there is of it."""
        if len(runner.turns) <= self.rung:
            runner.turns.append(Turn(runner.epochs, 0.0, runner.dice))
        return runner.turns[self.rung]

    def close(self) -> list[Runner]:
        """End the rung; those who do not go on. Of equals the smaller goes on."""
        ranked = sorted(self.running, key=lambda runner: (-runner.dice, runner.parameters))
        kept = _better_half(len(ranked))
        for runner in ranked[kept:]:
            better = "another was" if kept == 1 else f"{kept} others were"
            runner.out = f"out after rung {self.rung + 1}: {better} better"
        self.rung += 1
        return ranked[kept:]

    def facts(self) -> list[dict[str, Any]]:
        """The table: the last one in first."""
        order = sorted(self.runners, key=lambda runner: (bool(runner.out), -len(runner.turns), -runner.dice))
        return [runner.facts() for runner in order]

    def write(self, folder: Path) -> None:
        """Keep it; a crash leaves the one before."""
        try:
            write_whole(folder / TABLE_FILE, (json.dumps(asdict(self), indent=1) + "\n").encode())
        except OSError as error:
            raise TrainingError(f"the contest's table could not be written ({error}): free some space") from error

    def _turn(self, runner: Runner) -> Turn:
        return runner.turns[self.rung] if len(runner.turns) > self.rung else Turn()


def epochs_of_last(table: Halving, decay_share: float) -> int:
    """How many in all the last share of the time is good for; 0 for one who was alone from the beginning.

    At least so many that the rates were not to have fallen before: then this is the training that it would have been
    alone.
    """
    (runner,) = table.running
    if not runner.epochs:
        return 0
    more = round(table.share / (runner.seconds / runner.epochs))
    full_rate = -(-runner.epochs // (1 - decay_share))
    return max(runner.epochs + max(more, 1), int(full_rate))


def table_of(folder: Path) -> Halving | None:
    """What `write` wrote; None where nothing began."""
    try:
        facts = json.loads((folder / TABLE_FILE).read_text())
        return Halving(**{**facts, "runners": [_runner(entry) for entry in facts["runners"]]})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"the contest to resume cannot be read ({error}): start a new one", "resume") from error


def contest_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The table of a contest, as lines of text."""
    lines = []
    for row in rows:
        after = ", ".join(f"{dice:.3f}" for dice in row["dice"]) or "-"
        how = f"{row['parameters']:,} parameters, {row['epochs']} epochs, {row['minutes']:.1f} min, Dice {after}"
        lines.append(f"{row['method']}: {row['out'] or 'the last one in'}" + (f" ({how})" if row["epochs"] else ""))
    return lines


def _better_half(count: int) -> int:
    """How many go on; of an odd number the larger part, for validation is few cases."""
    return (count + 1) // 2


def _runner(facts: dict[str, Any]) -> Runner:
    return Runner(**{**facts, "turns": [Turn(**turn) for turn in facts["turns"]]})
