"""Containers of a Docker engine on the agent's machine, through the engine's HTTP API.

The `docker` package is not used: it brings `requests`, and an agent needs a dozen calls.
"""
