"""What no client sends: in every parameter and every body of every route, never a 5xx.

The requests are written as they go over the wire, because client libraries would mend them.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from tests.support.conformance import Described, Operation
from tests.support.service import Account, Service
from tests.support.wire import connected

from cella.api.openapi.parts import JSON, MULTIPART, URLENCODED

DEEP = 5000
BOUNDARY = "limit"
IN_PATHS = [
    *("%00", "%0a", "%0d%0a", "%ff", "%ed%a0%80", "%25", "%", "%2e%2e%2f", "..", "%f0%9f%92%a5"),
    *("a" * 9000, "'%20OR%201=1--", "%7b%22$ne%22:1%7d", "9" * 400, "%e2%80%ae"),
]
IN_QUERIES = [
    *(
        "",
        "%00",
        "%ff",
        "%ed%a0%80",
        "%",
        "%0d%0a",
        "-0",
        "NaN",
        "1e400",
        "9" * 400,
        "-" + "9" * 400,
    ),
    *("null", "true", "[]", "%22", '{"":0}', '{"a":1,"a":2}', '{"_id":1e400}', '{"_id":"\\ud800"}'),
    *(
        '{"name":"\\u0000"}',
        '{"$where":"1"}',
        '{"a":{"$size":1e99}}',
        '{"length":' + "9" * 99 + "}",
    ),
    *("[" * DEEP, '{"a":' * DEEP, '{"$and":[' * DEEP, '{"$not":' * 99, "a" * 40_000, "(" * 300),
    *('{"name":{"$regex":"(a+)+$"}}', '{"_created":"Thu, 99 Foo 99999 99:99:99 GMT"}', "%5B" * 99),
]
IN_HEADERS = [
    *(b"", b"\xff\xfe", b'"', b'W/"', b"*, *", b"," * 9000, b'"a", ' * 2000, b"x" * 30_000),
    *(b"Thu, 99 Foo 99999 99:99:99 GMT", b"Mon, 01 Jan 0000 00:00:00 GMT", b"-1", b"9" * 400),
    *(
        b"bytes=0-",
        b"bytes=" + b"0-0," * 5000,
        b"bytes=-" + b"9" * 400,
        b"bytes=" + b"9" * 400 + b"-",
    ),
]
VALUES = [
    *("null", "true", "-1", "1e400", "9" * 400, "-" + "9" * 400, "0.1", '""', '"\\u0000"'),
    *('"\\ud800"', '"\\udfff\\ud800"', '"\\u202e"', '"' + "a" * 70_000 + '"', "[]", "{}", "[[]]"),
    *("[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, '[{"": null}]', '{"$gt": ""}'),
    *('["\\u0000"]', '{"\\u0000": 1}', '{"\\ud800": "\\ud800"}', "[" + "1," * 2000 + "1]"),
]
IN_JSON = [
    *(b"", b" ", b"\x00", b"\xff", b"\xef\xbb\xbf{}", b"null", b"1", b'"a"', b"{", b"[]", b"[1]"),
    *(b"[{}]", b"{}", b"NaN", b'{"a":1,"a":2}', b'{"\\ud800":1}', b"[" * DEEP, b'{"a":' * DEEP),
    *(b"[" * DEEP + b"]" * DEEP, b"[" + b"{}," * 300 + b"{}]", b"9" * 9000, b'{"_id":{"$oid":1}}'),
]
IN_FORMS = [
    *(b"", b"&", b"=", b"a", b"%", b"%ff=%ff", b"a=%00", b"%00=a", b"=&=&=", b"a=1&a=2"),
    *(b"&".join([b"a=b"] * 2000), b"name=" + b"a" * 70_000, b"\xff\xfe", b"name=%ed%a0%80"),
]
PART = b'--limit\r\nContent-Disposition: form-data; name="'
IN_MULTIPART = [
    *(b"", b"--limit--", b"--limit", b"\r\n--limit--\r\n", b"\x00", PART, PART + b'a"\r\n\r\n'),
    *(
        PART + each + b'"\r\n\r\na\r\n--limit--\r\n'
        for each in (b"", b"\x00", b"\xff", b"a" * 9000)
    ),
    *(
        PART + field + b'"; filename="' + name + b'"\r\n\r\na\r\n--limit--\r\n'
        for field in (b"file", b"data")
        for name in (b"", b"\x00", b"\xff.png", b"../../a", b"a" * 9000, b"CON", b"a\xe2\x80\xae")
    ),
]
OF_BODIES = {JSON: IN_JSON, URLENCODED: IN_FORMS, MULTIPART: IN_MULTIPART}


class Attempt(NamedTuple):
    """A request, as it goes over the wire."""

    target: str
    headers: dict[str, bytes]
    body: bytes = b""


@pytest.fixture(params=["sqlite_disk", pytest.param("postgresql_memory", marks=pytest.mark.drill)])
def attacked(request: pytest.FixtureRequest) -> Service:
    """A service over each database: they differ in what they take for text."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Service)
    return found


@pytest.mark.timeout(300)
def test_nothing_that_is_sent_is_the_fault_of_the_server(attacked: Service) -> None:
    described = Described(attacked.get("/api/openapi.json").json())
    tried = 0
    for operation in described.operations():
        if operation.method in ("head", "options"):
            continue
        admin = attacked.account("admin", "service", "badger")
        known = _known(attacked, admin)
        for attempt in _attempts(described, operation, known):
            answer = _send(attacked, operation.method, attempt, admin)
            assert answer < 500, (operation.method, operation.path, str(attempt)[:2000], answer)
            tried += 1
    assert tried > 4000
    assert attacked.get("/readyz").status_code == 200


def _known(service: Service, admin: Account) -> dict[str, str]:
    """Values of the parameters of paths that lead to something."""
    project = service.project(admin)
    document = service.upload(admin, project)
    path = document["link"].partition("/api/storage/file/")[2].partition("?")[0]
    other = service.account()
    begun = service.request(
        "POST",
        f"/api/uploads/{project.id}",
        admin,
        headers={"Tus-Resumable": "1.0.0", "Upload-Length": "1000000"},
    )
    (issued,) = service.assembly.administer.tokens(other.username)
    return {
        "project_id": project.id,
        "file_id": document["_id"],
        "user_id": other.id,
        "token_id": issued.token.id,
        "job_id": document["_id"],
        "upload_id": begun.headers["Location"].rpartition("/")[2],
        "bucket": project.id,
        "subdir": "_",
        "path": path,
        "filename": "a.bin",
        "node_type": "asset",
    }


def _attempts(
    described: Described, operation: Operation, known: dict[str, str]
) -> Iterator[Attempt]:
    good = operation.path.format(**known)
    # What changes something is let through to what it wants to change; nothing is deleted.
    usual = {"If-Match": b"*"} if operation.method in ("put", "patch") else {}
    for parameter in operation.described.get("parameters", ()):
        name = parameter["name"]
        match parameter["in"]:
            case "path":
                for value in IN_PATHS:
                    yield Attempt(operation.path.format(**known | {name: value}), usual)
            case "query":
                for each in IN_QUERIES:
                    value = quote(each, safe="%")
                    yield Attempt(f"{good}?{name}={value}", usual)
                    yield Attempt(f"{good}?{name}=1&{name}={value}&{name}", usual)
            case "header":
                for line in IN_HEADERS:
                    yield Attempt(good, usual | {name: line})
    for kind, content in operation.described.get("requestBody", {}).get("content", {}).items():
        header = f"{kind}; boundary={BOUNDARY}" if kind == MULTIPART else kind
        typed = usual | {"Content-Type": header.encode()}
        for body in OF_BODIES.get(kind, IN_JSON):
            yield Attempt(good, typed, body)
        if kind == JSON:
            for text in _documents(described, content["schema"]):
                yield Attempt(good, typed, text.encode())


def _documents(described: Described, schema: dict[str, Any]) -> Iterator[str]:
    """Documents that fit in all but one field, and that one is hostile."""
    for each in schema.get("anyOf", [schema]):
        whole = described.resolved(each)
        for name in whole.get("properties", {}):
            rest = {field: "a" for field in whole.get("required", ()) if field != name}
            for value in VALUES:
                others = json.dumps(rest)[1:-1]
                yield f"{{{json.dumps(name)}: {value}{', ' if others else ''}{others}}}"


def _send(service: Service, method: str, attempt: Attempt, by: Account) -> int:
    """The status of the answer to one request, on a connection of its own."""
    headers = {
        "Host": b"127.0.0.1",
        "Connection": b"close",
        "Content-Length": str(len(attempt.body)).encode(),
        **{name: value.encode() for name, value in by.headers.items()},
        **attempt.headers,
    }
    lines = [f"{method.upper()} {attempt.target} HTTP/1.1".encode("latin-1")]
    lines += [name.encode() + b": " + value for name, value in headers.items()]
    with connected(service.port) as wire:
        wire.send(b"\r\n".join(lines) + b"\r\n\r\n" + attempt.body)
        return wire.answer(has_body=False).status
