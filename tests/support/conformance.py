"""Whether answers are as the OpenAPI document says."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import jsonschema_rs

_METHODS = ("get", "head", "options", "post", "put", "patch", "delete")


class Operation(NamedTuple):
    """One operation of the document."""

    path: str
    method: str
    described: dict[str, Any]


class Described:
    """The document, to compare with."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._patterns = [
            (re.compile(_pattern(path)), path) for path in sorted(document["paths"], key=_rank)
        ]

    def operations(self) -> Iterator[Operation]:
        """All operations."""
        for path, item in self.document["paths"].items():
            for method in _METHODS:
                if method in item:
                    yield Operation(path, method, item[method])

    def find(self, method: str, path: str) -> Operation:
        """The operation that a request is for; `path` is its path, still encoded."""
        known = next(each for pattern, each in self._patterns if pattern.fullmatch(path))
        return Operation(known, method, self.document["paths"][known][method.lower()])

    def resolved(self, described: dict[str, Any]) -> dict[str, Any]:
        """What a reference leads to, or the thing itself."""
        while "$ref" in described:
            place: Any = self.document
            for step in described["$ref"].removeprefix("#/").split("/"):
                place = place[step]
            described = place
        return described

    def misfits(self, schema: dict[str, Any], value: object) -> list[str]:
        """How a value does not fit a schema of the document."""
        whole = {**schema, "components": self.document["components"]}
        validator = jsonschema_rs.Draft202012Validator(whole)
        return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(value)]

    def check(self, answer: httpx.Response) -> None:
        """Fail where the answer is not described, or not so."""
        request = answer.request
        path = request.url.raw_path.partition(b"?")[0].decode().rstrip("/")
        operation = self.find(request.method, path)
        told = f"{request.method} {operation.path} answers {answer.status_code}"
        responses = operation.described["responses"]
        assert str(answer.status_code) in responses, f"{told}, which is not described"
        response = self.resolved(responses[str(answer.status_code)])
        self._check_headers(told, response, answer)
        self._check_content(told, response, answer)

    def _check_headers(self, told: str, response: dict[str, Any], answer: httpx.Response) -> None:
        for name, reference in response.get("headers", {}).items():
            header = self.resolved(reference)
            value = answer.headers.get(name)
            if value is None:
                assert not header.get("required"), f"{told} without {name}"
                continue
            is_number = header["schema"].get("type") == "integer"
            wrong = self.misfits(header["schema"], int(value) if is_number else value)
            assert not wrong, f"{told} with {name}: {value}: {wrong}"

    def _check_content(self, told: str, response: dict[str, Any], answer: httpx.Response) -> None:
        content = response.get("content")
        if content is None:
            assert not answer.content, f"{told} with a body, which is not described"
            return
        kind = answer.headers["content-type"].partition(";")[0]
        described = content.get(kind, content.get("*/*"))
        assert described is not None, f"{told} as {kind}, which is not described"
        if kind == "application/json" and "*/*" not in content:
            wrong = self.misfits(described["schema"], answer.json())
            assert not wrong, f"{told}: {wrong}"


def _pattern(path: str) -> str:
    """A regular expression for the addresses of a path; `{path}` may have slashes in it."""
    parts = re.split("({[a-z_]+})", path)
    return "".join(
        {"{path}": ".+", "{filename}": ".+"}.get(part, "[^/]+")
        if part.startswith("{")
        else re.escape(part)
        for part in parts
    )


def _rank(path: str) -> tuple[int, int]:
    """What is written out comes before what has parameters."""
    return path.count("{"), -len(path)
