"""The periodic duties of the server, one module each."""
