"""Files of a dump: their documents, which blobs are theirs, and what is still to be done to them.

Blobs are known by their keys only where a store of ours can have them: those of `gcs` and `local`
lie under the project's id and the document's `file_path`, those of `pillar` under its last part.
Nobody looks whether the bytes are there.
"""

from typing import NamedTuple

import msgspec

from cella.catalog import imports
from cella.catalog.files import ORIGINAL, BlobRef
from cella.catalog.imports import Holder, OldLinks
from cella.db import Tx
from cella.errors import BadKey
from cella.flows.config import PREVIEWS_FIRST, PROCESS, WHEN_IDLE
from cella.flows.import_pillar.batch import Item, Setting, Sorted, sort
from cella.flows.import_pillar.outcomes import Outcome
from cella.flows.import_pillar.projects import make_up_for
from cella.jobs import queue
from cella.media.kinds import kind_of
from cella.model import File, Processing
from cella.pillar.documents import Stored
from cella.store import keys

_READ_ONLY = "pillar"
_KEYED = ("gcs", "local")
_NEVER_CAME = "The upload to Pillar never came to its end."
_NEVER_DONE = "Pillar never finished its work on this file, and it cannot be done here."

_LOST = "its project does not exist, so one was made for it"
_BARE = "it has no project, so where its bytes lie is not known"
_ODD_PATH = "its file_path is none that a store here can have, so its bytes are not served"
_SHARED = "another file has the same file_path, and with it the bytes"


class _Work(NamedTuple):
    """What is to be done about the files of a batch."""

    process: list[str]
    forget: list[str]


def take_files(tx: Tx, setting: Setting, items: list[Item[Stored]], forget: str) -> list[Outcome]:
    """Take a batch of files; `forget` is the kind of job that drops deleted ones for good."""
    found = sort(tx, "files", items)
    _settle_projects(tx, setting, found)
    refs = {item.id: _refs(item) for item in found.wanted}
    _part_shared(tx, setting, found, refs)
    work = _settle_states(setting, found, refs)
    if not setting.foreseen:
        imports.write_files(
            tx,
            [each.value.file for each in found.new],
            [each.value.file for each in found.changed],
            refs,
        )
        imports.keep_links(tx, _links(setting, found))
        queue.put_all(
            tx,
            kind=PROCESS,
            subjects=work.process,
            priority=PREVIEWS_FIRST,
            max_attempts=setting.attempts,
            now=setting.now,
        )
        setting.later(tx, forget, work.forget, WHEN_IDLE)
    return found.done(tx, "files", setting)


def _settle_projects(tx: Tx, setting: Setting, found: Sorted[Stored]) -> None:
    """See to it that each file has an uploader, and a project if it names one."""
    named = {each.value.file.project: each.value.file.user for each in found.wanted}
    lost = {each: user for each, user in named.items() if each is not None}
    for known in setting.known(tx, "projects", lost):
        del lost[known]
    if lost:
        unowned = make_up_for(tx, setting, lost)
        for item in found.wanted:
            if item.value.file.project in lost:
                item.note(_LOST)
        reason = "its project does not exist, and there is no user who could own one made for it"
        found.refuse(lambda item: reason if item.value.file.project in unowned else None)
    nobodys = [each for each in found.wanted if not each.value.file.user]
    owners = imports.owners(tx, {each.value.file.project or "" for each in nobodys})
    for item in nobodys:
        owner = owners.get(item.value.file.project or "", "")
        if owner or (setting.foreseen and item.value.file.project):
            item.note("its uploader is not known, so it is its project's owner's")
            _change(item, user=owner)
    reason = "it has neither an uploader nor a project"
    found.refuse(lambda item: None if item.value.file.user or item.value.file.project else reason)


def _refs(item: Item[Stored]) -> list[BlobRef]:
    """The blobs of the file, as far as their keys are known."""
    file = item.value.file
    if file.file_path is None or file.backend not in (*_KEYED, _READ_ONLY):
        return []
    if file.project is None and file.backend in _KEYED:
        item.note(_BARE)
        return []
    try:
        refs = {_key(file, file.file_path): ORIGINAL}
        for variation in file.variations:
            refs.setdefault(_key(file, variation.file_path), variation.size or "")
    except BadKey:
        item.note(_ODD_PATH)
        return []
    return [BlobRef(key, size) for key, size in refs.items()]


def _key(file: File, path: str) -> str:
    if file.backend == _READ_ONLY:
        return keys.key_of(file.bucket, path)
    return keys.blob_key(file.bucket, path)


def _part_shared(
    tx: Tx, setting: Setting, found: Sorted[Stored], refs: dict[str, list[BlobRef]]
) -> None:
    """Let no two files have the same blob.

    Where one of the two was deleted the other gets it, lest the bytes go with what was deleted;
    else the first keeps it. Who loses one of its blobs loses all: names of previews begin alike,
    and they are deleted together.
    """
    ours = {item.id for item in found.wanted}
    wanted = [ref.key for each in refs.values() for ref in each]
    held = {
        key: holder
        for key, holder in imports.holders(tx, wanted).items()
        if holder.file_id not in ours
    }
    losers: set[str] = set()
    for item in found.wanted:
        mine = Holder(item.id, item.value.file.deleted is not None)
        rivals = {held[ref.key] for ref in refs[item.id] if ref.key in held} - {mine}
        if all(rival.is_deleted for rival in rivals) and not (rivals and mine.is_deleted):
            beaten = {rival.file_id for rival in rivals}
            losers |= beaten
            for each in beaten & refs.keys():
                refs[each] = []
            held.update((ref.key, mine) for ref in refs[item.id])
        else:
            refs[item.id] = []
            item.note(_SHARED)
    if not setting.foreseen:
        imports.part(tx, losers - ours)


def _settle_states(
    setting: Setting, found: Sorted[Stored], refs: dict[str, list[BlobRef]]
) -> _Work:
    """Leave no file in a state that nobody ends."""
    work = _Work([], [])
    for item in found.wanted:
        file = item.value.file
        if file.deleted is not None:
            there = found.present.get(file.id)
            if there is None or there.deleted is None:
                work.forget.append(file.id)
        if file.status in ("complete", "failed"):
            continue
        can_be_done = (
            file.deleted is None
            and refs[file.id]
            and file.backend in setting.backends
            and file.backend != _READ_ONLY
        )
        if file.file_path is None:
            item.note("it was never uploaded completely, and is failed")
            _fail(item, _NEVER_CAME)
        elif kind_of(file.content_type) is None:
            _change(item, status="complete", processing=None)
        elif can_be_done:
            item.note("Pillar never finished its work on it, which is done here now")
            refs[file.id] = [ref for ref in refs[file.id] if ref.size == ORIGINAL][:1]
            work.process.append(file.id)
            _change(item, status="queued_for_processing", processing=None, variations=())
        else:
            item.note("Pillar never finished its work on it, and it is failed")
            _fail(item, _NEVER_DONE)
    return work


def _fail(item: Item[Stored], error: str) -> None:
    _change(item, status="failed", processing=Processing(status="failed", error=error))


def _links(setting: Setting, found: Sorted[Stored]) -> list[OldLinks]:
    """The links that still work for a while, of files that are not deleted."""
    return [
        OldLinks(item.id, kept.expires, kept.original, kept.variations)
        for item in found.wanted
        if (kept := item.value.links) is not None
        and kept.expires > setting.now
        and item.value.file.deleted is None
    ]


def _change(item: Item[Stored], **fields: object) -> None:
    file = msgspec.structs.replace(item.value.file, **fields)
    item.value = item.value._replace(file=file)
