"""The life of a session, its budget, its brief and its endings."""
