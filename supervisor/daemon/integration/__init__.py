"""Bringing the commits of sessions into their targets: one at a time, checked, by their leases."""
