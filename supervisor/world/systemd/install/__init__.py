"""Putting Leasehold's units in place, for the system's manager or a user's, and taking them out again."""
