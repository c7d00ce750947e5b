"""Pure values and decisions: no I/O, no clock, no thread, no third-party framework but msgspec."""
