"""What few accepted cases are worth: rows of `bench train` as tables and sentences, for a card and for a first page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sam_trainer.bench.card.sections import listed, number, table
from sam_trainer.bench.learning.arms import ARMS, DECODER, LORA, LORA_DECODER, NONE, SAMED, UNET, UNTAPPED
from sam_trainer.bench.learning.few_cases import SEMANTIC
from sam_trainer.bench.learning.few_cases_plan import HEADLINE
from sam_trainer.bench.learning.one_training import MEASURES
from sam_trainer.measures.paired import GAIN, LOSS, NO_GAIN, Difference, difference
from sam_trainer.reports.table import ALL, Row

# Ways to name labels that differ in one thing from another way.
_HEADS = {
    UNTAPPED: f"the head sees the picture only (`{UNTAPPED}`), over the head that sees the embedding too (`{DECODER}`)",
    SAMED: f"the mask decoder names them, as SAMed's does (`{SAMED}`), over the head beside it (`{LORA_DECODER}`)",
}

# Two ways to name the labels of one folder are alike within this difference in Dice.
ALIKE = 0.01

FIRST_CLICK, BOX = MEASURES[0], MEASURES[-1]

# Files of `bench train`: over numbers of cases, of more heads at one of them, and on real folders.
FILES = ("train", "train-heads", "train-folders")


@dataclass(frozen=True)
class FewCases:
    """Rows of the few-shot bench, of procedural patients and of real folders."""

    procedural: Sequence[Row]
    folders: Sequence[Row]

    @classmethod
    def of(cls, rows: Mapping[str, Sequence[Row]]) -> FewCases | None:
        """What the files by name say; None before all of them are there."""
        if not set(FILES) <= rows.keys():
            return None
        train, heads, folders = (rows[name] for name in FILES)
        known = {_place(row) for row in train}
        return cls([*train, *(row for row in heads if _place(row) not in known)], folders)

    def section(self) -> str:
        """For a card: all tables, and what they come to."""
        parts = ["## Learning from few cases", self.sentences()]
        parts += [self.over_counts(measure, over) for measure, over in ((FIRST_CLICK, NONE), (BOX, NONE))]
        parts += [self.over_counts(SEMANTIC, UNET), self.heads(), self.over_folders(), self.by_folder()]
        return "\n\n".join(filter(None, parts))

    def over_counts(self, measure: str, over: str) -> str:
        """Gains of every method on procedural patients, over the number of cases that taught; nothing of none."""
        gains = {(row["method"], row["cases"]): row for row in _gains(self.procedural, measure, over)}
        if not gains:
            return ""
        counts = sorted({count for _, count in gains})
        lines = [
            [f"`{method}`", self._numbers(method), *(_shown(gains.get((method, count))) for count in counts)]
            for method in dict.fromkeys(method for method, _ in gains)
        ]
        some = next(iter(gains.values()))
        asked = f"{some['held_out']} procedural patients who taught nothing, {_counted(some['seeds'], 'training')} each"
        columns = ["method", "numbers trained", *(_counted(count, "case") for count in counts)]
        return "\n".join([f"{_over(measure, over)}, on {asked}, 95 % over patients:", "", *table(columns, lines)])

    def heads(self) -> str:
        """Ways to name labels, each against the one that differs from it in that alone."""
        lines = []
        for method, words in _HEADS.items():
            rival = ARMS[method].against or NONE
            own = [row for row in self._own(method, SEMANTIC, rival) if row["cases"] == HEADLINE]
            shown = [_shown(next(iter(own), None)), _of_folders(_gains(self.folders, SEMANTIC, rival, method))]
            lines.append([words, *shown])
        columns = ["named without a prompt", f"procedural patients, {HEADLINE} cases", "real folders"]
        return "\n".join(["Dice of one way over another:", "", *table(columns, lines)])

    def over_folders(self) -> str:
        """Mean gains of every method over real folders, which count the same each."""
        asked = ((FIRST_CLICK, NONE), (BOX, NONE), (SEMANTIC, UNET))
        methods = dict.fromkeys(row["method"] for about in asked for row in _gains(self.folders, *about))
        lines = [
            [f"`{method}`", *(_of_folders(_gains(self.folders, *about, method)) for about in asked)]
            for method in methods
        ]
        folders = _counted(len({row["source"] for row in self.folders}), "real folder")
        asked_of = max((row["held_out"] for row in self.folders if "gain" in row), default=0)
        each = f"of each at most {_counted(asked_of, 'case')} asked after its others taught"
        about = f"Over {folders}, {each}; in brackets 95 % over folders, then how many rose:"
        return "\n".join([about, "", *table(["method", *(_over(*one) for one in asked)], lines)])

    def by_folder(self) -> str:
        """Every folder by itself: what a click gains, and who names labels better."""
        whole = [row for row in self.folders if row.get("label") == ALL]
        clicks = {(r["source"], r["method"]): r for r in _gains(self.folders, FIRST_CLICK, NONE)}
        named = {(r["source"], r["method"]): r[SEMANTIC] for r in whole if SEMANTIC in r}
        lines = []
        for source in dict.fromkeys(row["source"] for row in whole):
            teachers = max(row["cases"] for row in whole if row["source"] == source and row["method"] != NONE)
            gained = [_shown(clicks.get((source, method))) for method in (LORA, LORA_DECODER)]
            lines.append(
                [source, str(teachers), *gained, *(number(named.get((source, m))) for m in (LORA_DECODER, UNET))]
            )
        columns = ["folder", "cases", f"a click, `{LORA}`", f"a click, `{LORA_DECODER}`", "head", "U-Net"]
        return "\n".join(["*Head* and *U-Net*: Dice of labels named without a prompt.", "", *table(columns, lines)])

    def sentences(self) -> str:
        """Where the low-rank change alone adds nothing, and where a U-Net is better."""
        alone = self._own(LORA, FIRST_CLICK, NONE)
        verdicts = {
            "it adds to a first click": [row for row in alone if row["ci_low"] > 0],
            "it adds nothing to a first click": [row for row in alone if row["ci_low"] <= 0 <= row["ci_high"]],
            "it takes away from a first click": [row for row in alone if row["ci_high"] < 0],
        }
        own = "; ".join(f"{_after(rows)} {words}" for words, rows in verdicts.items() if rows) or "not measured"
        real = _verdict(_gains(self.folders, FIRST_CLICK, NONE, LORA))
        return "\n\n".join(
            [
                f"`{LORA}` alone ({self._numbers(LORA)} numbers, nothing else trained) on procedural patients: {own}. "
                f"On real folders {real}.",
                self._unet(),
            ]
        )

    def _unet(self) -> str:
        """Where a U-Net names labels better than the head beside the network."""
        own = self._own(LORA_DECODER, SEMANTIC, UNET)
        lost = [row for row in own if row["ci_high"] < 0]
        won = [row for row in own if row["ci_low"] > 0]
        real = sorted(_gains(self.folders, SEMANTIC, UNET, LORA_DECODER), key=lambda row: row["gain"])
        worse = [f"{row['source']} {row['gain']:+.3f}" for row in real if row["gain"] <= -ALIKE]
        better = [f"{row['source']} {row['gain']:+.3f}" for row in reversed(real) if row["gain"] >= ALIKE]
        alike = [row["source"] for row in real if abs(row["gain"]) < ALIKE]
        return (
            f"Labels without a prompt, `{LORA_DECODER}` against a U-Net that trained as long. On procedural patients "
            f"the U-Net is better {_after(lost)}, the head beside the network {_after(won)}. On real folders "
            f"the U-Net is better on {listed(worse)}; the head on {listed(better)}; neither by {ALIKE:g} on "
            f"{listed(alike)}. A training makes both and keeps the one that is better on the cases that "
            "judge; every answer says which."
        )

    def _own(self, method: str, measure: str, over: str) -> list[Row]:
        """A method's gains on procedural patients, by the number of cases."""
        return sorted(_gains(self.procedural, measure, over, method), key=lambda row: row["cases"])

    def _numbers(self, method: str) -> str:
        """How many numbers a method trains, its head included."""
        rows = [row for row in (*self.procedural, *self.folders) if row["method"] == method and "parameters" in row]
        return f"{rows[0]['parameters'] + rows[0]['head_parameters']:,}" if rows else ""


def _after(rows: Sequence[Row]) -> str:
    counts = [str(row["cases"]) for row in rows]
    return f"after {listed(counts)} case{'' if counts == ['1'] else 's'}" if counts else "never"


def _place(row: Row) -> tuple[object, ...]:
    return tuple(row.get(key) for key in ("source", "method", "over", "measure", "cases", "seed", "label"))


def _gains(rows: Sequence[Row], measure: str, over: str, method: str | None = None) -> list[Row]:
    """Paired differences of one measure over one rival, of one method or of all."""
    found = [row for row in rows if "gain" in row and (row["measure"], row["over"]) == (measure, over)]
    return [row for row in found if method in (None, row["method"])]


def _over(measure: str, over: str) -> str:
    what = {FIRST_CLICK: "Dice after one click", BOX: "Dice of a box", SEMANTIC: "Dice of labels without a prompt"}[
        measure
    ]
    return f"{what}, over {'no training' if over == NONE else 'the U-Net'}"


def _shown(row: Row | None) -> str:
    """A gain with its interval; of a single case there is none."""
    if row is None:
        return ""
    return f"{row['gain']:+.3f}" + _interval(row["ci_low"], row["ci_high"]) * (row["held_out"] > 1)


def _of_folders(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    return f"{_told(_mean(rows))}, {sum(row['gain'] > 0 for row in rows)} of {len(rows)}"


def _verdict(rows: Sequence[Row]) -> str:
    mean = _mean(rows)
    words = {GAIN: "it adds", LOSS: "it costs", NO_GAIN: "it adds nothing that is proven:"}[mean.verdict]
    return f"{words} {_told(mean)} over {_counted(mean.pairs, 'folder')}"


def _mean(rows: Sequence[Row]) -> Difference:
    """Over folders, which count the same each."""
    return difference([row["gain"] for row in rows])


def _told(mean: Difference) -> str:
    """A mean with its interval; a single pair has none."""
    return f"{mean.mean:+.3f}" + _interval(mean.low, mean.high) * (mean.pairs > 1)


def _interval(low: float, high: float) -> str:
    return f" ({low:+.3f} to {high:+.3f})"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
