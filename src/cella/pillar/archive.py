"""The archive that `mongodump --archive` writes: one file, in which collections may alternate.

A magic number and a prelude (a header and a document for each collection), then blocks: a
document that names database and collection, the documents, and a terminator of four bytes 0xff.
A block whose first document says `EOF` ends its collection. The format is that of
https://github.com/mongodb/mongo-tools/blob/master/common/archive/spec.md.

The CRC-64 of each collection is not checked: it would take Python longer than all the rest, and
what it would find is as a rule found without it, since lengths no longer fit.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from cella.pillar.source import Document, Source
from cella.pillar.values import decoded

MAGIC = (0x8199E26D).to_bytes(4, "little")


class Space(NamedTuple):
    """A collection of a database."""

    database: str
    collection: str


def prelude(source: Source) -> list[Space]:
    """The collections that the archive says to have; reads up to the first block.

    Raises `DamagedDump`.
    """
    if source.exactly(4) != MAGIC:
        raise source.damaged("this is no archive of mongodump", 0)
    if source.document() is None:
        raise source.damaged("the archive has no header")
    spaces = []
    while (found := source.document()) is not None:
        spaces.append(_space(_header(source, found)))
    return spaces


def documents(source: Source, wanted: Space) -> Iterator[Document]:
    """The documents of one collection, after `prelude`; stops reading where it ends.

    Raises `DamagedDump`, also where the archive ends before the collection does.
    """
    for head in source.documents():
        header = _header(source, head)
        is_wanted = _space(header) == wanted
        while (found := source.document()) is not None:
            if is_wanted:
                yield found
        if is_wanted and header.get("EOF") is True:
            return
    raise source.damaged(f"the archive ends before the collection {wanted.collection} does")


def _header(source: Source, found: Document) -> dict[str, Any]:
    try:
        return decoded(found.raw)
    except ValueError:
        raise source.damaged("a header of the archive cannot be read", found.offset) from None


def _space(header: dict[str, Any]) -> Space:
    return Space(str(header.get("db", "")), str(header.get("collection", "")))
