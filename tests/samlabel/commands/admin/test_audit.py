"""`samlabel audit` and `samlabel tokens`, from the command line."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from sam_infer.audit.actor import Actor
from sam_infer.audit.line import Deed
from sam_infer.audit.trail import Trail
from samlabel.commands.admin.audit import app
from samlabel.commands.admin.tokens import app as tokens


def filled(home: Path) -> Trail:
    trail = Trail.of(home)
    for n, who in enumerate(("ann", "bob", "ann")):
        trail.add(Deed("label accepted", f"case {n}", "ab" * 32), Actor(who, "10.0.0.7"))
    return trail


def test_show_chooses_lines(isolated_home: Path) -> None:
    run = CliRunner().invoke
    assert "nothing of the kind" in run(app, ["show"]).output
    filled(isolated_home)
    shown = run(app, ["show", "--who", "ann", "--what", "accepted"], env={"COLUMNS": "200"}).output
    assert "case 0" in shown and "case 1" not in shown and "10.0.0.7" in shown
    assert "case 2" not in run(app, ["show", "--subject", "case 1"], env={"COLUMNS": "200"}).output


def test_an_export_is_verified_by_the_head_that_was_kept(isolated_home: Path, tmp_path: Path) -> None:
    run, out = CliRunner().invoke, tmp_path / "trail.jsonl"
    trail = filled(isolated_home)
    told = run(app, ["export", str(out)])
    head = told.output.split("head: ")[1].strip()
    assert told.exit_code == 0 and head == str(trail.head()) and len(out.read_text().splitlines()) == 4
    assert run(app, ["verify", str(out), "--head", head]).exit_code == 0
    assert "4 lines are as they were written" in run(app, ["verify", "--head", head]).output
    assert run(app, ["export", str(out)]).exception is not None  # it exists
    file = trail.files()[0]
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[1:3]))
    found = run(app, ["verify", "--head", head])
    assert found.exit_code == 1 and "line 1 was deleted" in found.output and "the tail was cut: line 4" in found.output


def test_tokens_are_made_listed_and_revoked(isolated_home: Path) -> None:
    run = CliRunner().invoke
    assert "no token was made" in run(tokens, ["list"]).output
    made = run(tokens, ["add", "slicer", "--days", "30"])
    assert made.exit_code == 0 and made.output.strip().splitlines()[-1].startswith("slt_")
    assert "valid" in run(tokens, ["list"]).output
    assert run(tokens, ["revoke", "slicer"]).exit_code == 0 and "revoked" in run(tokens, ["list"]).output
    assert run(tokens, ["add", "x", "--role", "king"]).exception is not None
