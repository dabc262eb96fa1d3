"""The supervisor: the one authority that chooses, claims, leases and launches sessions."""

__version__ = "0.1.0"
