"""What runs beside or inside a session. The per-session path imports the standard library only."""
