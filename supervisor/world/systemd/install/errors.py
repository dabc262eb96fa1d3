"""What can keep units from being installed."""


class InstallError(Exception):
    """Nothing was installed, or it does not run; one line says why and what to do."""
