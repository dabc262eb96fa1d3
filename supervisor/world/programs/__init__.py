"""Running a program for its output, and leaving nothing of it behind."""
