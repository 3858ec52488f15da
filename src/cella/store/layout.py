"""Where a blob's key is found in a cloud: which bucket, and which name in it. Pure.

With one bucket for all, an object is `PREFIX/BUCKET/_/NAME`, the bucket of the key in its name.
Where the bucket's name has `{project}` in it, that stands for the bucket of the key, and the
object is `PREFIX/_/NAME`.
"""

import re
import string
from collections.abc import Iterable

from cella.errors import BadConfig, BadKey
from cella.store import keys
from cella.store.service import Place

_PROJECT = "{project}"
_PLAIN = frozenset(string.ascii_letters + string.digits + "._-/")
_BUCKET = re.compile(r"[0-9a-f]{24}")


class Layout:
    """Of one store. Raises `BadConfig`, which names `setting`, where `template` is no name.

    `root` is what the names of all its objects begin with.
    """

    def __init__(self, setting: str, template: str, prefix: str, name: re.Pattern[str]) -> None:
        self.is_shared = _PROJECT not in template
        sample = template.replace(_PROJECT, "0" * 24, 1)
        if name.fullmatch(sample) is None:
            raise BadConfig(
                f"{setting} needs the name of a bucket, which has 3 to 63 lower-case letters, "
                "digits and dashes; {project} in it stands for 24 of them."
            )
        if any(part in ("", ".", "..") for part in prefix.split("/")) and prefix:
            raise BadConfig(f"{setting}: what follows the bucket is not a plain path.")
        self._template = template
        self.root = f"{prefix}/" if prefix else ""
        front, _, back = template.partition(_PROJECT)
        self.bucket_prefix = front
        self._bucket = re.compile(rf"{re.escape(front)}([0-9a-f]{{24}}){re.escape(back)}")

    def bucket(self, bucket: str) -> str:
        """The cloud's bucket for a key's."""
        return self._template.replace(_PROJECT, bucket)

    def place(self, key: str) -> Place:
        """Where a blob is. Raises `BadKey`."""
        bucket, name = keys.split(key)
        return Place(self.bucket(bucket), f"{self.folder(bucket)}_/{name}")

    def folder(self, bucket: str, path: str = "") -> str:
        """What the names of all objects below `path` in a key's bucket begin with."""
        if _BUCKET.fullmatch(bucket) is None:
            raise BadKey("A bucket is the id of a project or a user; this one is not.")
        own = f"{bucket}/" if self.is_shared else ""
        return f"{self.root}{own}{path}{'/' if path else ''}"

    def key(self, bucket: str, name: str) -> str | None:
        """The key of an object that a listing of `bucket`, a key's, gave; None for none of ours."""
        if not name.startswith(self.root):
            return None
        rest = name.removeprefix(self.root)
        key = rest if self.is_shared else f"{bucket}/{rest}"
        try:
            keys.check(key)
        except BadKey:
            return None
        return key

    def projects(self, buckets: Iterable[str], prefix: str, after: str) -> list[str]:
        """The keys' buckets among the cloud's `buckets` that may have what a listing wants."""
        found = [match[1] for match in map(self._bucket.fullmatch, buckets) if match]
        return sorted(bucket for bucket in found if _wanted(f"{bucket}/_/", prefix, after))

    def listing(self, bucket: str, prefix: str, after: str) -> tuple[str, str] | None:
        """Prefix and start of a listing in the cloud that has all keys wanted, and maybe others.

        `bucket` is a key's, or empty with one bucket for all. None where no key is wanted.
        """
        if not self.is_shared:
            stem = f"{bucket}/"
            prefix = prefix.removeprefix(stem) if prefix.startswith(stem) else ""
            after = after.removeprefix(stem) if after.startswith(stem) else ""
        if not _PLAIN.issuperset(prefix):
            return None
        plain = next((at for at, char in enumerate(after) if char not in _PLAIN), len(after))
        start = after[:plain]
        return self.root + prefix, self.root + start if start else ""


def _wanted(stem: str, prefix: str, after: str) -> bool:
    """Whether a key that begins with `stem` may be wanted."""
    fits = stem.startswith(prefix) or prefix.startswith(stem)
    return fits and (stem >= after or after.startswith(stem))
