"""The nouns: what Cella knows of a file, a project and a user. Values only, no input or output."""

from cella.model.file import (
    File,
    FileStatus,
    Processing,
    ProcessingStatus,
    Variation,
)
from cella.model.identity import Identity
from cella.model.media import Hdr, Media
from cella.model.people import ANONYMOUS, Actor, Token, User
from cella.model.project import METHODS, Grant, Group, Permissions, Project
from cella.model.upload import Piece, Upload, UploadState

__all__ = [
    "ANONYMOUS",
    "METHODS",
    "Actor",
    "File",
    "FileStatus",
    "Grant",
    "Group",
    "Hdr",
    "Identity",
    "Media",
    "Permissions",
    "Piece",
    "Processing",
    "ProcessingStatus",
    "Project",
    "Token",
    "Upload",
    "UploadState",
    "User",
    "Variation",
]
