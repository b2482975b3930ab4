"""The online learner of a server: fed by the ledger, asked by tasks, shown and reset by its route."""
