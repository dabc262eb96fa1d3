"""What the control socket answers: one file per group of verbs, each a table of methods."""
