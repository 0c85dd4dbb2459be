"""Starting a server, as the first AetherGraph had to: nothing needs one here, and calling these is harmless."""

from .compat import start_server, start_server_async, stop_server

__all__ = ["start_server", "start_server_async", "stop_server"]
