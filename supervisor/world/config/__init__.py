"""The configuration: one file, read once, frozen; unknown keys are refused."""
