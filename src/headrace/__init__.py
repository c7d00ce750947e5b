"""Headrace runs Python flows. These are the public names and nothing else."""
