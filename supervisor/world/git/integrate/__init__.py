"""Integration: the branches of sessions, one at a time, into the branch that they are for.

`combine` makes the commits in a work tree that is thrown away, `move` moves the branch from where it was seen, and with it
the checkouts that have it.
"""
