"""What the supervisor asks of git, and the commit gate it puts into a session's environment."""
