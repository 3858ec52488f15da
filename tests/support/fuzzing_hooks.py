"""What schemathesis is told beside the document: which refusals no schema could have foretold."""

import re
from collections.abc import Iterator
from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext
from schemathesis.openapi.checks import (
    IgnoredAuth,
    RejectedPositiveData,
    UnsupportedMethodResponse,
    UseAfterFree,
)

from cella.api.openapi.parts import A_CURSOR

# Of queries: how much they ask for, and regular expressions. Of cursors: whose they are. Of names:
# which characters are letters. Of uploads: how many bytes come, and what Base64 and types are.
_REQUEST = re.compile(
    r"`where` (is nested deeper|has more than|is longer)|.*\$regex|`cursor` is none that"
    r"|Of the form's field 'name' nothing is left|`user_email` must be an address"
    r"|A user's name is 1 to 128 letters|The email is no address"
    r"|The upload was begun with Upload-Length|Upload-Metadata(:| has)|Missing content type"
)
# Of documents: what else there is, which characters are letters, and what goes with what.
_DOCUMENT = re.compile(
    r"value '.*' (must exist in resource|for the field '\w+' is not unique)"
    r"|max value, variations included|contradicts permissions.world"
    r"|must not hold NUL|must be (one line of )?characters that can be seen"
    r"|must be 1 to 128 letters|must be an address|the last administrator"
)
# Of forms: a number in them is the text that it is written as. Of names: what nobody could see of
# them is left out before they are measured.
_TEXT_IN_FORMS = re.compile(r"`type` at /properties/\w+ \(was string, became \w+\)")
_MEASURED_LATER = re.compile(r"`maxLength` at /properties/filename")
_OF_BYTES = ("length", "md5", "user")
"""What may be written of files without bytes."""


@schemathesis.serializer("application/offset+octet-stream")
def piece(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """A piece of an upload is bytes as they are."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Leave the document's cursor out: it would leave no choice of the order."""
    if case.query and case.query.get("cursor") == A_CURSOR:
        del case.query["cursor"]


@schemathesis.hook
def filter_failure(
    context: HookContext, failure: Failure, case: Case[Any], response: Response
) -> bool:
    """Whether a failure counts."""
    if isinstance(failure, UnsupportedMethodResponse):
        return "X-HTTP-Method-Override" not in (case.headers or {})
    if isinstance(failure, UseAfterFree):
        # OPTIONS are about the address, and deleted things can be asked for.
        return case.method != "OPTIONS" and "show_deleted" not in (case.query or {})
    if isinstance(failure, IgnoredAuth):
        # What was deleted with a login is not there for who comes without.
        return case.method != "DELETE" or "got `404" not in failure.message
    if isinstance(failure, RejectedPositiveData):
        return not _is_known_by_nobody(case.method, response)
    if isinstance(failure, AcceptedNegativeData):
        is_form = (case.media_type or "").startswith(("multipart/", "application/x-www-form"))
        is_text = is_form and bool(_TEXT_IN_FORMS.search(failure.message))
        return not (is_text or _MEASURED_LATER.search(failure.message))
    return True


def _is_known_by_nobody(method: str, response: Response) -> bool:
    """Whether who sends what fits the document could not know that it would be refused."""
    if response.status_code == 400:
        # What HEAD refuses is said to GET.
        return method == "HEAD" or bool(_REQUEST.match(response.json()["_error"]["message"]))
    if response.status_code == 422:
        return all(map(_DOCUMENT.match, _sentences(response.json())))
    return False


def _sentences(body: dict[str, Any]) -> Iterator[str]:
    """All that is wrong with a document or with several, wherever it is nested."""
    for each in body.get("_items", [body]):
        issues = each.get("_issues", {})
        yield from _nested(
            {
                name: issue
                for name, issue in issues.items()
                if name not in _OF_BYTES or issue != "field is read-only"
            }
        )


def _nested(issues: Any) -> Iterator[str]:
    if isinstance(issues, str):
        yield issues
    else:
        for issue in issues.values():
            yield from _nested(issue)
