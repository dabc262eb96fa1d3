"""Scopes, leases and the broker: what is held by whom, and who waits."""
