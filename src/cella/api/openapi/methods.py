"""HEAD and OPTIONS, which follow from the other methods of an address."""

import re
from collections.abc import Mapping
from typing import Any

from cella.api.openapi.errors import bodiless
from cella.api.openapi.parts import parameter, with_headers

_OF_BYTES = ("Range", "If-Range")
_PARTIAL = ("206", "416")
_PREFLIGHT = (
    parameter("header", "Origin", "The origin of the page that asks.", "https://studio.example"),
    parameter("header", "Access-Control-Request-Method", "What it wants to send.", "POST"),
    parameter(
        "header",
        "Access-Control-Request-Headers",
        "The headers that it wants to send along.",
        "authorization, if-match",
    ),
)
_ALLOWED = (
    "Allow",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Max-Age",
)


def head_of(get: Mapping[str, Any]) -> dict[str, Any]:
    """The operation HEAD where that is the operation GET. It knows no ranges."""
    kept = {name: get[name] for name in ("parameters", "security") if name in get}
    if "parameters" in kept:
        kept["parameters"] = [each for each in kept["parameters"] if each["name"] not in _OF_BYTES]
    return {
        **kept,
        "tags": ["HEAD"],
        "summary": f"Headers: {get['summary']}",
        "description": "What GET answers, without the body.",
        "operationId": f"{get['operationId']}_head",
        "responses": {
            status: _bodiless(status, answer)
            for status, answer in get["responses"].items()
            if status not in _PARTIAL
        },
    }


def options_of(path: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """The operation OPTIONS of an address with these operations.

    Where GET answers with 204 already, OPTIONS that are no preflight answer alike.
    """
    get = item.get("get", {})
    plain = with_headers({"description": "See the headers."}, *_ALLOWED)
    answers = {"200": plain}
    if "204" in get.get("responses", {}):
        for status, answer in get["responses"].items():
            answers[status] = answer if "$ref" in answer else with_headers(answer, *_ALLOWED)
    return {
        "tags": ["OPTIONS"],
        "summary": f"Methods of {path}",
        "description": "The methods that there are. Preflights of browsers are answered to all.",
        "operationId": "_".join(["options", *re.findall("[a-z_]+", path)]),
        "parameters": [*(_any(name) for name in re.findall("{([a-z_]+)}", path)), *_PREFLIGHT],
        "responses": answers,
    }


def joined(own: Mapping[str, Any], preflight: Mapping[str, Any]) -> dict[str, Any]:
    """The operation OPTIONS where an address has one of its own, which no preflight gets."""
    return {
        **preflight,
        "summary": own["summary"],
        "description": f"{own['description']} {preflight['description']}",
        "parameters": [*own["parameters"], *preflight["parameters"][-len(_PREFLIGHT) :]],
        "responses": {**preflight["responses"], **_with_allowed(own["responses"])},
    }


def _with_allowed(answers: Mapping[str, Any]) -> dict[str, Any]:
    return {status: with_headers(answer, *_ALLOWED) for status, answer in answers.items()}


def _any(name: str) -> dict[str, Any]:
    return parameter("path", name, "Means nothing here.", "any")


def _bodiless(status: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in answer:
        return bodiless(int(status))
    return {name: value for name, value in answer.items() if name not in ("content", "links")}
