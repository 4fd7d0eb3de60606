"""The running service: transport, health, admin port, start and drain."""

from authz_server.server.app import run

__all__ = ["run"]
