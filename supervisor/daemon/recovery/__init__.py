"""What an earlier supervisor left running, and what became of sessions that do not say: found out, never guessed."""
