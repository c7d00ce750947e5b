"""The server's registry: nouns register their handlers here, `app.py` makes the service from it."""

from headrace.web import handlers
from headrace.web.service import Hold, Service

__all__ = ["Hold", "Service", "handles", "prepares", "registry", "streams", "waits"]

registry = handlers.Registry()
handles = registry.handles
prepares = registry.prepares
waits = registry.waits
streams = registry.streams
