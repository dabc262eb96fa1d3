"""What happened lately and bears on the next choice: commits, starts, lanes."""
