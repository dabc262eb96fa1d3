"""The worker: one process beside each session, parent and sub-reaper of the harness, outliving the supervisor."""
