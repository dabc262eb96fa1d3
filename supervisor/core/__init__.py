"""Decisions without I/O, clock or event loop: every function here takes what it needs, `now` included."""
