"""The agents that people use: how each is started, what it prints, and how it says that it ended."""
