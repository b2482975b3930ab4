"""`python -m samlabel`: the command line where no console script is on the path."""

from samlabel.commands.cli import main

main()
