"""Control groups, version 2: where they are, and a group as one thing that can be made, killed and removed."""
