"""A client of the HTTP API, for scripts and for the command `cella`."""

from cella.client.api import Client, Progress, RemoteFile, connect
from cella.client.problems import BadAnswer, Refused, Unreachable
from cella.client.saving import default_name, save

__all__ = [
    "BadAnswer",
    "Client",
    "Progress",
    "Refused",
    "RemoteFile",
    "Unreachable",
    "connect",
    "default_name",
    "save",
]
