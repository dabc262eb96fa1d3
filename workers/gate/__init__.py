"""The commit gate's client: what a git hook runs to ask whether a branch may move.

A hook runs at every commit, so nothing is imported here but built-in modules: each of `os`, `json`,
`socket` and `subprocess` would cost more than the question itself.
"""
