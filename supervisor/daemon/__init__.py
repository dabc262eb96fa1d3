"""The top ring: the daemon that composes core and world, and the verbs that it answers."""
