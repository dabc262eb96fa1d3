"""The tables, and every synchronous step from an event to its effects."""
