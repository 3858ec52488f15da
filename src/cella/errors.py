"""What can go wrong, named for what happened.

Every error of Cella is a `CellaError`. It is raised where it is known and turned into an
HTTP answer in one place (`cella.http.problems`). `code` is stable and may be relied on by
clients; the message is a sentence for the person who has to act on it and never holds a path
of the server or a secret. `retriable` tells whether the same request may succeed later.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class CellaError(Exception):
    """The root of all errors that Cella raises on purpose."""

    code: ClassVar[str] = "internal"
    retriable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadRequest(CellaError):
    """The request cannot be understood."""

    code = "bad_request"


class InvalidDocument(CellaError):
    """A document does not fit its schema; `issues` tells which field and why."""

    code = "invalid_document"

    def __init__(self, message: str, issues: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.issues = dict(issues)


class InvalidDocuments(CellaError):
    """Of several documents at least one does not fit; `issues` are each one's, empty if none."""

    code = "invalid_document"

    def __init__(self, message: str, issues: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(message)
        self.issues = list(issues)


class Forbidden(CellaError):
    """Who asks may not do this."""

    code = "forbidden"


class Unauthorized(CellaError):
    """A service that calls us does not send the secret that it shares with us."""

    code = "unauthorized"


class ProofMissing(Forbidden):
    """A change by a browser's session came without the proof that a page of ours asked for it."""

    code = "csrf"


class LinkRefused(Forbidden):
    """A link's signature is missing, wrong, changed or expired; the message says which."""

    code = "link_refused"


class NotFound(CellaError):
    """There is no such thing, or none that the asker may know of."""

    code = "not_found"


class Conflict(CellaError):
    """The thing exists already, or is in a state that does not allow this."""

    code = "conflict"


class PreconditionMissing(CellaError):
    """A change needs `If-Match` and came without it."""

    code = "precondition_required"


class PreconditionFailed(CellaError):
    """The etag that came along is not the current one."""

    code = "precondition_failed"


class TooLarge(CellaError):
    """The file or the request is larger than allowed."""

    code = "too_large"


class UnsupportedCoding(CellaError):
    """The body is compressed, or encoded in another way that is not undone here."""

    code = "unsupported_coding"


class UnsupportedType(CellaError):
    """The body has another Content-Type than is needed here."""

    code = "unsupported_type"


class UnsupportedVersion(CellaError):
    """The client speaks another version of a protocol than `spoken`."""

    code = "unsupported_version"

    def __init__(self, message: str, spoken: str) -> None:
        super().__init__(message)
        self.spoken = spoken


class UnknownTransfer(CellaError):
    """The body's Transfer-Encoding is one that is not undone here."""

    code = "unknown_transfer"


class TooSlow(CellaError):
    """The sender stopped sending, or sends too slowly."""

    code = "too_slow"
    retriable = True


class TooManyRequests(CellaError):
    """It was tried too often; `retry_after` is in seconds."""

    code = "too_many_requests"
    retriable = True

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(CellaError):
    """As much is going on as the service takes on at once."""

    code = "overloaded"
    retriable = True


class RangeNotSatisfiable(CellaError):
    """None of the wanted ranges lies in the blob; `length` is its size in bytes."""

    code = "range_not_satisfiable"

    def __init__(self, message: str, length: int) -> None:
        super().__init__(message)
        self.length = length


class StoreError(CellaError):
    """The object store could not do what was asked."""

    code = "store"


class BadKey(StoreError):
    """A blob key that we would never make."""

    code = "bad_key"


class BlobMissing(StoreError):
    """There is no blob under the key."""

    code = "blob_missing"


class BlobExists(StoreError):
    """There is a blob under the key already, and it was not to be replaced."""

    code = "blob_exists"


class StoreFull(StoreError):
    """The store has no room left."""

    code = "store_full"
    retriable = True


class StoreUnavailable(StoreError):
    """The store did not answer, or not in time."""

    code = "store_unavailable"
    retriable = True


class StoreRefused(StoreError):
    """The store does not let us do it: a wrong key, a missing right, a bucket that is not there.

    Trying again changes nothing before somebody has changed a setting; the message names it.
    """

    code = "store_refused"


class Corrupt(StoreError):
    """The bytes are not the ones that were to be stored or read: length or digest differ."""

    code = "corrupt"


class SweepRefused(CellaError):
    """What looks like strays is too much, or too new: the database may be older than the store."""

    code = "sweep_refused"


class MediaError(CellaError):
    """A file could not be turned into what was wanted of it."""

    code = "media"


class CannotDecode(MediaError):
    """The file is broken, or is not what it says it is. Trying again changes nothing."""

    code = "cannot_decode"


class OverLimit(MediaError):
    """Decoding would need more pixels, memory or time than one file may have."""

    code = "over_limit"


class DecoderCrashed(MediaError):
    """The decoding child died or gave no answer; another try may do better."""

    code = "decoder_crashed"
    retriable = True


class CallFailed(CellaError):
    """A service that we called did not answer, or not as it should."""

    code = "call_failed"
    retriable = True


class CallRefused(CellaError):
    """An address that we do not call: nobody allowed it."""

    code = "call_refused"


class EncodingFailed(CellaError):
    """An encoder elsewhere made nothing of a film. Trying again changes nothing."""

    code = "encoding_failed"


class LeaseLost(CellaError):
    """Another worker has taken the job over; what this attempt did does not count."""

    code = "lease_lost"


class DatabaseUnavailable(CellaError):
    """The database cannot be reached or opened."""

    code = "database_unavailable"
    retriable = True


class BadConfig(CellaError):
    """A setting is wrong; the message names it."""

    code = "bad_config"


class DamagedDump(CellaError):
    """A dump of another server is cut off or damaged; the message names the file and where."""

    code = "damaged_dump"
