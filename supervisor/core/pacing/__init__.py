"""When to start and start again: calendars, back-off, failing lanes."""
