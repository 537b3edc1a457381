"""The identity of a file: its device and inode, whatever its name."""

import os

FileId = tuple[int, int]
"""The device and the inode of a file."""


def id_of(status: os.stat_result) -> FileId:
    """Return the device and the inode of a file."""
    return status.st_dev, status.st_ino


def status_of(path: str) -> os.stat_result | None:
    """Return the status of the file at a path, or None if it is missing or inaccessible."""
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def leads_to(path: str | None, file: FileId) -> bool:
    """Return whether a path leads to a file."""
    status = status_of(path) if path else None
    return status is not None and id_of(status) == file
