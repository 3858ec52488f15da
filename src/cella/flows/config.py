"""Settings of what the service does."""

from typing import Annotated

import msgspec

from cella.settings import Count, Seconds, SomeSeconds

FORGET = "forget"
"""The kind of job that drops a deleted file for good."""

FORGET_PROJECT = "forget_project"
"""The kind of job that drops the files of a deleted project for good.

Who deletes a project puts it in the same transaction: its subject is the project's id, it is due
after `discard_grace`, and its priority is `WHEN_IDLE`.
"""

PROCESS = "process"
"""The kind of job that works out what can be seen of a file: previews, above all."""

ENCODE = "encode"
"""The kind of job that makes a film playable, here or elsewhere; `PROCESS` puts it at its end."""

ENCODED = "encoded"
"""The kind of job that takes over what was encoded elsewhere.

Its payload has the `job_id`, `outputs` and `milliseconds` that were told of it.
"""

DIGEST = "digest"
"""The kind of job that works out the MD5 of a large file that needs nothing else."""

ZENCODER_CANCEL = "zencoder_cancel"
"""The kind of job that has Zencoder end a job; its payload has the `job_id`."""

FILE_JOBS = (PROCESS, ENCODE, ENCODED, DIGEST)
"""What is done to a file: jobs that go when it goes. Their subject is the file's id."""

DROP_BLOBS = "drop_blobs"
"""The kind of job that drops blobs of a file from a store where the file does not live.

Its subject is the file's id; its payload has the `backend`, the `keys`, and as `root` what keys of
attempts at variations begin with, empty where that is not known.
"""

JOIN = "join"
"""The kind of job that makes one blob of an upload's pieces, or drops them where nobody wants it.

Its subject is the upload's id.
"""

DROP_UPLOADS = "drop_uploads"
"""The kind of the periodic job that drops uploads which nobody has gone on with."""

COMPLETE_KEPT = 86400
"""Seconds for which an upload that is complete can still be asked what file it has become."""

GONE_MEANWHILE = "The file was deleted."
"""Why an encoder elsewhere was told to stop with a file that had not settled."""

AT_ONCE = 5
"""The priority of `JOIN`: somebody waits for the file itself."""

PREVIEWS_FIRST = 10
"""The priority of `PROCESS`: people wait for previews."""

SOON = 20
"""The priority of what is done for Zencoder: after previews, before encodes."""

FILMS_AFTER_PREVIEWS = 30
"""The priority of `ENCODE`."""

DIGESTS_LATER = 50
"""The priority of `DIGEST`."""

WHEN_IDLE = 90
"""The priority of jobs that nobody waits for."""


class FlowsConfig(msgspec.Struct, kw_only=True, frozen=True):
    """Times are in seconds.

    `upload_wait`: how long an upload's answer waits for its previews. `upload_stall`: an upload
    that brings less than `upload_stall_bytes` in this time is given up. `upload_slots`: how
    many uploads one process takes in at once. `upload_keep`: how long an upload in pieces waits
    for its next one. `uploads_unfinished`: how many of these one user may have. `download_stall`:
    a download of which the client takes nothing in this time is given up. `discard_grace`: how
    long a deleted file's bytes are kept. `event_streams`: how many clients of one process may
    follow files at once, each for `event_seconds` at most.
    """

    upload_wait: Seconds = 10.0
    upload_stall: SomeSeconds = 60.0
    upload_stall_bytes: Count = 16 << 10
    upload_slots: Count = 64
    upload_keep: SomeSeconds = 7 * 24 * 3600.0
    uploads_unfinished: Count = 1000
    download_stall: SomeSeconds = 300.0
    discard_grace: Seconds = 7 * 24 * 3600.0
    event_streams: Count = 256
    event_seconds: SomeSeconds = 3600.0


class LoginConfig(msgspec.Struct, kw_only=True, frozen=True):
    """Signing in with a name and a password.

    `token_days`: days that a token is valid which somebody got for a password. `session_days`: days
    after which who has signed in with a browser has to do so again. `attempts`: how
    many may fail for one name within `window` seconds; from one network it is ten times as many.
    """

    token_days: Annotated[float, msgspec.Meta(gt=0, le=36500)] = 15.0
    session_days: Annotated[float, msgspec.Meta(gt=0, le=36500)] = 14.0
    attempts: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10
    window: Annotated[int, msgspec.Meta(ge=1, le=86400)] = 300


class SweepConfig(msgspec.Struct, kw_only=True, frozen=True):
    """`seconds`: between two comparisons of stores and catalogue, which only report; 0 for none."""

    seconds: Seconds = 0.0


class VerifyConfig(msgspec.Struct, kw_only=True, frozen=True):
    """Stores are read again every so many `seconds`, 0 for never, `bytes` of each at a time."""

    seconds: Seconds = 0.0
    bytes: Count = 10 << 30
