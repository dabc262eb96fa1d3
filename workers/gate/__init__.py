"""The commit gate's client: what a git hook runs to ask whether a branch may move."""
