"""Downloads that appear whole or not at all."""

import unicodedata
from pathlib import Path, PurePosixPath

from cella.client.api import Client, Progress, RemoteFile
from cella.errors import Conflict

_UNWANTED = frozenset({"Cc", "Cf", "Cs"})
_MAX_NAME_BYTES = 240


def default_name(filename: str) -> str:
    """A name to save a file under that was called `filename` by a stranger; `file` if need be.

    It is the last part of what may be a path, without the characters of the Unicode categories
    Cc, Cf and Cs, and short enough for any file system.
    """
    last = filename.replace("\\", "/").rpartition("/")[2]
    name = "".join(sign for sign in last if unicodedata.category(sign) not in _UNWANTED)
    if not name.strip(". "):
        return "file"
    if len(name.encode()) <= _MAX_NAME_BYTES:
        return name
    suffix = PurePosixPath(name).suffix
    if len(suffix.encode()) > _MAX_NAME_BYTES // 2:
        suffix = ""
    room = _MAX_NAME_BYTES - len(suffix.encode())
    return name.encode()[:room].decode(errors="ignore") + suffix


def save(
    client: Client, file: RemoteFile, target: Path, progress: Progress, *, replace: bool = False
) -> None:
    """Download `file` to `target`, by way of `<target>.part` beside it.

    Raises `Conflict` where `target` exists and is not to be replaced, or is a folder or a device
    and never is, and what `Client.download` raises; then nothing is left behind.
    """
    _refuse_existing(target, replace)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with part.open("xb") as output:
            client.download(file, output, progress)
        _refuse_existing(target, replace)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _refuse_existing(target: Path, replace: bool) -> None:
    if not replace and (target.exists() or target.is_symlink()):
        raise Conflict(f"{target} exists already; --force replaces it, -o chooses another path.")
    if target.exists() and not target.is_file():
        raise Conflict(f"{target} is no ordinary file and stays; choose another path.")
