"""The only place where a blob's key is built or judged.

A key is `<bucket>/_/<name>`: the bucket is the id of a project or, for files without one, of the
user who uploaded them; the `_` leaves room for blobs of another sort beside the files, and the
name is made by us. Nothing that a user wrote gets into a key but a file's extension, and that
only where it is plain letters and digits, so whatever a file is called, its key is safe as a
path, in a URL, in a header and on any object store.
"""

import re
from collections.abc import Iterable

from cella.errors import BadKey

FOLDER = "_"
"""The folder of a bucket in which the blobs of files are."""

_BUCKET = r"[0-9a-f]{24}"
_NAME = r"(?!\.)(?!.*\.\.)[A-Za-z0-9._-]{1,200}"
_KEY = re.compile(rf"({_BUCKET})/_/({_NAME})")
_ROOT = re.compile(r"[0-9a-f]{32}")
_SIZE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,12}")


def blob_key(bucket: str, name: str) -> str:
    """The key of the blob `name` in the bucket of a project or a user. Raises `BadKey`."""
    key = f"{bucket}/_/{name}"
    check(key)
    return key


def check(key: str) -> None:
    """Raise `BadKey` where `key` is none that we would make."""
    split(key)


def is_bucket(text: str) -> bool:
    """Whether `text` may be the bucket of a key."""
    return re.fullmatch(_BUCKET, text) is not None


def is_key(text: str) -> bool:
    """Whether `text` is a key that we would make."""
    return _KEY.fullmatch(text) is not None


def split(key: str) -> tuple[str, str]:
    """The bucket and the name that make up `key`. Raises `BadKey`."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise BadKey(
            "A blob's key is the id of a project or a user, '/_/' and a name of at most 200 "
            "letters, digits, dots, dashes and underscores; this one is not."
        )
    return match[1], match[2]


def key_of(bucket: str, file_path: str) -> str:
    """The key of the blob that a document's `file_path` tells. Raises `BadKey`.

    Its name is what stands after the last slash: paths of the original's old folder begin with
    the folder that a name's first two characters make, as in `c1/c1f7.mp4`.
    """
    return blob_key(bucket, file_path.rpartition("/")[2])


def original_name(root: str, filename: str) -> str:
    """The name of an original's blob: `root` and the extension of the user's `filename`.

    The extension is the part after the last dot, in lower case. It is left out where it is not
    one to twelve ASCII letters and digits, or where nothing stands before the dot. Raises
    `BadKey` where `root` is not 32 hex digits (`cella.ids.new_blob_root`).
    """
    if _ROOT.fullmatch(root) is None:
        raise BadKey("The root of a blob's name is 32 lower-case hex digits; this one is not.")
    stem, _, extension = filename.rpartition(".")
    if not stem or _EXTENSION.fullmatch(extension) is None:
        return root
    return f"{root}.{extension.lower()}"


def root_of_original(key: str) -> str:
    """The root in the name of an original, empty where `key` is of another sort."""
    name = split(key)[1]
    root, dot, extension = name.partition(".")
    is_original = _ROOT.fullmatch(root) and (not dot or _EXTENSION.fullmatch(extension))
    return root if is_original else ""


def variation_name(original: str, size: str, extension: str) -> str:
    """The name of a variation's blob: `<root>-<size>.<extension>`.

    The root is what stands before the first dot of the original's name. Raises `BadKey` where
    the parts do not make a name.
    """
    root = original.partition(".")[0]
    name = f"{root}-{size}.{extension}"
    parts_fit = root and _SIZE.fullmatch(size) and _EXTENSION.fullmatch(extension)
    if not parts_fit or re.fullmatch(_NAME, name) is None:
        raise BadKey("The parts of a variation's name do not make one that we use.")
    return name


def part_of_variation(name: str) -> str:
    """What of a variation's name tells it from the others of its file: `<size>.<extension>`."""
    return name.partition("-")[2]


def root(key: str) -> str:
    """The root that the names of an original and its variations begin with, empty where none."""
    match = _ROOT.match(split(key)[1])
    return match[0] if match else ""


def root_prefix(keys: Iterable[str]) -> str:
    """What the key of an original and those of all its variations begin with.

    Empty where the keys are of no one original that `original_name` named.
    """
    prefixes = set()
    for key in keys:
        bucket, name = split(key)
        prefixes.add(f"{bucket}/_/{name[:32]}" if _ROOT.match(name) else "")
    return prefixes.pop() if len(prefixes) == 1 else ""
