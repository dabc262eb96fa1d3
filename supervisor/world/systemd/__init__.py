"""systemd: what a service tells it, what it hands over, and the units that it runs."""
