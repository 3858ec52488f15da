"""The OpenAPI document: complete, true, and readable in a browser without any third party."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from starlette.routing import Route
from tests.support.conformance import Described, Operation
from tests.support.service import ORIGIN, Service, Start

from cella import errors
from cella.api.openapi.parts import JSON
from cella.asgi import build
from cella.http.problems import status_of
from cella.web.routes import ROUTES as PAGES

PHOTO = b"\x89PNG but broken"


@pytest.fixture(scope="module")
def described(sqlite_disk: Service) -> Described:
    """The document of the running service."""
    answer = sqlite_disk.get("/api/openapi.json")
    assert answer.headers["content-type"] == JSON
    return Described(answer.json())


# Complete


def test_it_is_valid(described: Described) -> None:
    assert described.document["openapi"].startswith("3.1")
    assert described.document["info"].keys() >= {"title", "version", "description"}
    schemathesis.openapi.from_dict(described.document).validate()


def test_every_route_is_described(described: Described, start: Start) -> None:
    app = build(start().assembly)
    routes = [
        route
        for routes in (app.router.routes, *_included(app))
        for route in routes
        if isinstance(route, Route)
        and route.path != app.swagger_ui_oauth2_redirect_url
        and route not in PAGES
    ]
    wanted = {
        (re.sub(r":\w+}", "}", route.path), method.lower())
        for route in routes
        for method in {*(route.methods or ()), "OPTIONS"}
    }
    assert {(each.path, each.method) for each in described.operations()} == wanted


def _included(app: Any) -> Iterator[list[Any]]:
    for route in app.router.routes:
        original = getattr(route, "original_router", None)
        if original is not None:
            yield original.routes


def test_every_operation_is_told_in_full(described: Described) -> None:
    tags = {tag["name"]: tag["description"] for tag in described.document["tags"]}
    operations = list(described.operations())
    for path, _, told in operations:
        assert told["summary"]
        assert told["description"]
        assert all(tags[tag] for tag in told["tags"])
        parameters = [(each["in"], each["name"]) for each in told.get("parameters", ())]
        assert len(parameters) == len(set(parameters))
        named = {name for place, name in parameters if place == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        assert any(status < "304" for status in told["responses"])
    assert {tag for each in operations for tag in each.described["tags"]} == tags.keys()
    ids = [each.described["operationId"] for each in operations]
    assert len(ids) == len(set(ids))


def test_every_parameter_and_body_has_an_example(described: Described) -> None:
    for operation in described.operations():
        for parameter in operation.described.get("parameters", ()):
            assert parameter["description"], parameter
            assert list(_values(described, parameter)), parameter
        body = operation.described.get("requestBody", {"content": {}})
        for content in body["content"].values():
            assert list(_values(described, content)), operation


def test_every_answer_has_an_example_and_its_headers(described: Described) -> None:
    for operation in described.operations():
        for status, reference in operation.described["responses"].items():
            answer = described.resolved(reference)
            assert answer["description"]
            assert answer["headers"].keys() >= {"X-Request-ID", "Vary"}
            assert ("content" in answer) == _has_body(operation, status), (operation, status)
            for kind, content in answer.get("content", {}).items():
                assert kind != JSON or list(_values(described, content)), (operation, status)


def _has_body(operation: Operation, status: str) -> bool:
    is_preflight = operation.method == "options" and status == "200"
    is_bare = status in ("204", "302", "303", "304")
    return operation.method != "head" and not is_preflight and not is_bare


def test_every_example_fits_its_schema(described: Described) -> None:
    tried = 0
    for schema, value in _examples(described, described.document):
        misfits = described.misfits(schema, value)
        assert not misfits, (value, misfits)
        tried += 1
    assert tried > 200


def _examples(described: Described, node: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each example in a part of the document, with its schema."""
    if isinstance(node, list):
        for item in node:
            yield from _examples(described, item)
    elif isinstance(node, dict):
        content = node.get("content")
        if "schema" in node or (content and "in" in node):
            yield from _values(described, node)
        for name, inner in node.items():
            if name not in ("schema", "schemas", "example", "examples"):
                yield from _examples(described, inner)


def _values(described: Described, node: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    for part in (node, *node.get("content", {}).values()):
        if "example" in part:
            yield part["schema"], part["example"]
        for example in part.get("examples", {}).values():
            yield part["schema"], described.resolved(example)["value"]


def test_every_error_has_an_example_with_its_status(described: Described) -> None:
    told = {
        (example["_error"]["code"], example["_error"]["name"], example["_error"]["retriable"])
        for response in described.document["components"]["responses"].values()
        for _, example in _values(described, response["content"][JSON])
    }
    public = [kind for kind in _kinds(errors.CellaError) if _status(kind) != 500]
    assert {(_status(kind), kind.code, kind.retriable) for kind in public} <= told
    for status, name, _ in told - {(_status(k), k.code, k.retriable) for k in public}:
        assert (status, name) in {(400, "cut"), (405, "method_not_allowed"), (500, "internal")}


def _kinds(kind: type[errors.CellaError]) -> Iterator[type[errors.CellaError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _kinds(inner)


def _status(kind: type[errors.CellaError]) -> int:
    return status_of(kind.__new__(kind))


def test_every_reference_leads_somewhere(described: Described) -> None:
    references = set(_references(described.document))
    assert len(references) > 50
    for reference in references:
        assert isinstance(described.resolved({"$ref": reference}), dict)
    for kind, components in described.document["components"].items():
        if kind != "securitySchemes":
            unused = {f"#/components/{kind}/{name}" for name in components} - references
            assert unused <= {"#/components/responses/MethodNotAllowed"}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def test_every_link_leads_to_an_operation_with_these_parameters(described: Described) -> None:
    parameters = {
        each.described["operationId"]: {
            parameter["name"] for parameter in each.described.get("parameters", ())
        }
        for each in described.operations()
    }
    links = [
        link
        for each in described.operations()
        for reference in each.described["responses"].values()
        for link in described.resolved(reference).get("links", {}).values()
    ]
    assert links
    for link in links:
        assert link["parameters"].keys() <= parameters[link["operationId"]]


# True


def test_real_answers_are_as_described(service: Service, described: Described) -> None:
    """What schemathesis cannot get at: bytes, ranges, etags that are right, large bodies."""
    owner, admin = service.account("subscriber"), service.account("admin")
    project = service.project(owner)
    photo = service.upload(owner, project, PHOTO, "a.png", "image/png")
    plain = service.upload(owner, project, b"0123456789", "b.bin")
    path, link = f"/api/files/{plain['_id']}", plain["link"]
    current = {"If-Match": plain["_etag"]}
    nested = {"embedded": '{"project": 1}', "projection": '{"project.name": 1}'}
    asked: list[tuple[int, str, str, Any, dict[str, Any]]] = [
        (200, "GET", link, None, {}),
        (200, "HEAD", link, None, {}),
        (206, "GET", link, None, {"headers": {"Range": "bytes=0-3"}}),
        (206, "GET", link, None, {"headers": {"Range": "bytes=0-1,4-5"}}),
        (304, "GET", link, None, {"headers": {"If-None-Match": "*"}}),
        (412, "GET", link, None, {"headers": {"If-Match": '"other"'}}),
        (416, "GET", link, None, {"headers": {"Range": "bytes=99-"}}),
        (403, "GET", link.partition("?")[0], None, {}),
        (404, "GET", f"/api/storage/file/aa/{'a' * 24}/bb/bb", None, {}),
        (200, "OPTIONS", link, None, {"headers": {"Origin": ORIGIN}}),
        (200, "GET", f"/api/files/{photo['_id']}", owner, {}),
        (200, "HEAD", path, owner, {}),
        (200, "GET", path, owner, {"params": {"embedded": '{"project": 1}'}}),
        (200, "GET", path, owner, {"params": {"projection": '{"filename": 1}'}}),
        (200, "GET", path, owner, {"params": nested}),
        (304, "GET", path, owner, {"headers": {"If-Modified-Since": plain["link_expires"]}}),
        (200, "GET", "/api/files", owner, {"headers": {"Origin": ORIGIN}}),
        (200, "GET", "/api/files", owner, {"params": {"max_results": 1}}),
        (200, "GET", "/api/projects", owner, {}),
        (200, "GET", f"/api/projects/{project.id}", owner, {}),
        (200, "GET", f"/api/p/{project.id}/quotas", owner, {}),
        (204, "GET", f"/api/p/{project.id}/asset", owner, {}),
        (204, "OPTIONS", f"/api/p/{project.id}/asset", owner, {}),
        (404, "OPTIONS", f"/api/p/{'a' * 24}/asset", owner, {}),
        (200, "GET", "/api/p/users", owner, {"params": {"project_id": project.id}}),
        (200, "GET", "/api/users/me", owner, {}),
        (200, "GET", "/api/users", admin, {}),
        (200, "GET", f"/api/users/{owner.id}", None, {}),
        (400, "GET", "/api/files", owner, {"params": {"where": "x"}}),
        (428, "PATCH", path, owner, {"json": {}}),
        (412, "PATCH", path, owner, {"json": {}, "headers": {"If-Match": "other"}}),
        (422, "PATCH", path, owner, {"json": {"length": 1}, "headers": current}),
        (413, "POST", "/api/files", owner, {"json": {"name": "x" * (1 << 20)}}),
        (422, "POST", "/api/files", owner, {"json": [{}]}),
        (415, "POST", "/api/files", owner, {"json": {}, "headers": {"Content-Encoding": "br"}}),
        (200, "PATCH", path, owner, {"json": {"description": "x"}, "headers": current}),
        (204, "DELETE", path, owner, {"headers": {"If-Match": "*"}}),
        (200, "GET", path, owner, {"params": {"show_deleted": 1}}),
        (404, "GET", path, owner, {}),
        (200, "GET", "/readyz", None, {}),
    ]
    for status, method, address, by, arguments in asked:
        answer = service.request(method, address, by, **arguments)
        assert answer.status_code == status, (method, address, answer.text)
        described.check(answer)


def test_documents_hold_nothing_that_is_not_described(
    service: Service, described: Described
) -> None:
    owner = service.account("admin")
    project = service.project(owner)
    document = service.upload(owner, project, PHOTO, "a.png", "image/png")
    schemas = described.document["components"]["schemas"]
    for name, read in (
        ("FileDocument", document),
        ("ProjectDocument", service.get(f"/api/projects/{project.id}", owner).json()),
        ("UserDocument", service.get("/api/users/me", owner).json()),
    ):
        assert read.keys() <= schemas[name]["properties"].keys()


# Readable


def test_the_pages_of_the_docs_need_no_third_party(local: Service) -> None:
    page = local.get("/api/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "//" not in re.sub(r"<!--.*?-->", "", page.text, flags=re.DOTALL).replace(local.url, "")
    linked = set(re.findall(r"""(?:href|src)="([^"]+)"|url: '([^']+)'""", page.text))
    paths = {path for pair in linked for path in pair if path}
    assert "/api/openapi.json" in paths
    assert len(paths) >= 4
    for path in paths:
        assert local.get(path).status_code == 200, path
