"""The control plane: flows, versions, runs, states, logs, people. It sees no user code, secrets or results."""
