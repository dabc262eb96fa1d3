"""The task sources at work: set up, read when told, and watched."""
