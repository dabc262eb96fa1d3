"""The edit hook: an agent's own hook asks the supervisor before it edits a file, and tells it afterwards."""
