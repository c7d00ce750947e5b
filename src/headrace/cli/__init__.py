"""The command line: the few commands that people type, and one derived from each operation."""
