"""The command line: one file per verb; heavy imports live inside the verbs, so that all start fast."""
