"""What carries decisions out: journal, control socket, launchers, task sources, git, signals."""
