"""The sentences that every store says alike."""

from cella.errors import BlobExists, BlobMissing


def missing(key: str) -> BlobMissing:
    """There is no blob under `key`."""
    return BlobMissing(f"The store has no blob {key}.")


def exists(key: str) -> BlobExists:
    """There is a blob under `key` already."""
    return BlobExists(f"The store has a blob {key} already.")
