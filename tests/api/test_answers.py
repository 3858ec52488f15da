"""What all answers have in common: errors, CORS, OPTIONS, request ids, logs, health."""

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route
from tests.support.databases import PostgreSQL
from tests.support.service import ORIGIN, Service, Start, postgresql_database, running
from tests.support.wire import connected

from cella.asgi import build
from cella.http import logs
from cella.web.routes import ROUTES as PAGES

NOWHERE = "0" * 24

REFUSALS = [
    ("GET", "/nonsense", 404, "not_found"),
    ("GET", "/api/nonsense", 404, "not_found"),
    ("GET", "/api/projects%0a", 404, "not_found"),
    ("GET", "/api/files/nonsense", 404, "not_found"),
    ("GET", f"/api/projects/{NOWHERE}", 404, "not_found"),
    ("GET", "/api/storage/file/a/b/c/d", 404, "not_found"),
    ("GET", "/api/docs-assets/nothing.js", 404, "not_found"),
    ("GET", "/api/users/me", 403, "forbidden"),
    ("GET", "/api/files?where=x", 400, "bad_request"),
    ("POST", f"/api/storage/stream/{NOWHERE}", 403, "forbidden"),
    ("PUT", f"/api/files/{NOWHERE}", 404, "not_found"),
    ("POST", "/api/files", 403, "forbidden"),
    ("POST", f"/api/files/{NOWHERE}", 405, "method_not_allowed"),
    ("GET", f"/api/storage/stream/{NOWHERE}", 405, "method_not_allowed"),
    ("DELETE", "/api/projects", 405, "method_not_allowed"),
    ("PATCH", "/api/files", 405, "method_not_allowed"),
]

METHODS = {
    f"/api/storage/stream/{NOWHERE}": {"POST"},
    f"/api/storage/stream/{NOWHERE}/a.bin": {"PUT"},
    f"/api/uploads/{NOWHERE}": {"POST"},
    f"/api/uploads/{NOWHERE}/{NOWHERE}": {"GET", "HEAD", "DELETE", "PATCH"},
    "/api/storage/file": {"POST"},
    f"/api/storage/file/aa/{NOWHERE}/bb/bbcc": {"GET", "HEAD", "POST"},
    "/api/files": {"GET", "HEAD", "POST"},
    f"/api/files/{NOWHERE}": {"GET", "HEAD", "DELETE", "PATCH", "PUT"},
    f"/api/files/{NOWHERE}/": {"GET", "HEAD", "DELETE", "PATCH", "PUT"},
    f"/api/files/{NOWHERE}/events": {"GET", "HEAD"},
    f"/api/files/{NOWHERE}/process": {"POST"},
    f"/api/files/{NOWHERE}/restore": {"POST"},
    "/api/projects": {"GET", "HEAD", "POST"},
    f"/api/projects/{NOWHERE}": {"GET", "HEAD", "DELETE", "PATCH", "PUT"},
    "/api/p/create": {"POST"},
    "/api/p/users": {"GET", "HEAD", "POST"},
    f"/api/p/{NOWHERE}/quotas": {"GET", "HEAD"},
    "/api": {"GET", "HEAD"},
    "/api/users": {"GET", "HEAD"},
    "/api/users/me": {"GET", "HEAD", "PATCH", "PUT"},
    f"/api/users/{NOWHERE}": {"GET", "HEAD", "PATCH", "PUT"},
    "/api/auth/make-token": {"POST"},
    "/api/session": {"GET", "HEAD", "POST", "DELETE"},
    "/api/session/password": {"POST"},
    "/api/session/oidc": {"GET", "HEAD"},
    "/api/session/oidc/callback": {"GET", "HEAD"},
    "/api/admin/overview": {"GET", "HEAD"},
    "/api/admin/reports": {"GET", "HEAD"},
    "/api/admin/jobs": {"GET", "HEAD"},
    f"/api/admin/jobs/{NOWHERE}/retry": {"POST"},
    f"/api/admin/jobs/{NOWHERE}/cancel": {"POST"},
    "/api/admin/links/refresh": {"POST"},
    "/api/admin/users": {"POST"},
    f"/api/admin/users/{NOWHERE}/password": {"PUT"},
    "/api/admin/tokens": {"GET", "HEAD", "POST"},
    f"/api/admin/tokens/{NOWHERE}": {"DELETE"},
    f"/api/storage/gcs/{NOWHERE}/{NOWHERE}": {"GET", "HEAD"},
    f"/api/storage/gcs/{NOWHERE}/{NOWHERE}/a.bin": {"GET", "HEAD"},
    f"/api/storage/browse/{NOWHERE}": {"GET", "HEAD"},
    f"/api/storage/browse/{NOWHERE}/a.bin": {"GET", "HEAD"},
    "/api/service/badger": {"POST"},
    "/api/blender_id/store_scst": {"POST"},
    "/api/encoding/zencoder/notifications": {"POST"},
    "/healthz": {"GET", "HEAD"},
    "/readyz": {"GET", "HEAD"},
    "/api/openapi.json": {"GET", "HEAD"},
    "/api/docs": {"GET", "HEAD"},
    "/api/docs-assets/favicon.png": {"GET", "HEAD"},
}


def listed(value: str) -> set[str]:
    """The members of a header that is a list."""
    return {item.strip() for item in value.split(",")}


# Errors and CORS


@pytest.mark.parametrize("origin", [None, ORIGIN, "https://evil.example", "null"])
@pytest.mark.parametrize(("method", "path", "status", "name"), REFUSALS)
def test_every_error_is_json_that_a_browser_may_read(
    local: Service, method: str, path: str, status: int, name: str, origin: str | None
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    answer = local.request(method, path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body.keys() == {"_status", "_error"}
    assert body["_status"] == "ERR"
    assert body["_error"].keys() == {"code", "message", "name", "retriable"}
    assert (body["_error"]["code"], body["_error"]["name"]) == (status, name)
    assert re.fullmatch(r"[A-Z`].{10,}", body["_error"]["message"])
    assert "Origin" in listed(answer.headers["vary"])
    assert answer.headers.get("access-control-allow-origin") == {
        None: None,
        ORIGIN: ORIGIN,
    }.get(origin, "*")
    credentials = answer.headers.get("access-control-allow-credentials")
    assert credentials == ("true" if origin == ORIGIN else None)


def test_a_limit_that_is_hit_is_told_to_browsers(local: Service) -> None:
    """The original answered 413 without CORS headers, so pages saw a broken connection."""
    owner = local.account()
    answer = local.request(
        "POST",
        f"/api/storage/stream/{local.project(owner).id}",
        owner,
        headers={"Origin": ORIGIN},
        files={"file": ("a.bin", b"x" * 30_000)},
    )
    assert answer.status_code == 413
    assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_what_fails_in_the_server_is_told_without_details(start: Start) -> None:
    service = start()
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    for blob in (service.assembly.config.data / "blobs").rglob(document["name"]):
        blob.unlink()
    answer = service.get(document["link"], headers={"Origin": ORIGIN})
    assert answer.status_code == 500
    assert answer.json()["_error"]["name"] == "internal"
    assert document["name"] not in answer.text
    assert str(service.assembly.config.data) not in answer.text
    assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_good_answers_may_be_read_by_browsers_too(service: Service) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    for path in ("/api/files", f"/api/files/{document['_id']}", document["link"], "/healthz"):
        allowed = service.get(path, owner, headers={"Origin": ORIGIN})
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        assert allowed.headers["access-control-allow-credentials"] == "true"
        assert "ETag" in listed(allowed.headers["access-control-expose-headers"])
        other = service.get(path, owner, headers={"Origin": "https://other.example"})
        assert other.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in other.headers
        plain = service.get(path, owner)
        assert "access-control-allow-origin" not in plain.headers
        for answer in (allowed, other, plain):
            assert "Origin" in listed(answer.headers["vary"])


@pytest.mark.parametrize(
    "origin",
    [
        f"{ORIGIN}.evil.example",
        f"{ORIGIN}:8443",
        f"http{ORIGIN.removeprefix('https')}",
        "https://evil.example/?https://studio.example",
        ORIGIN.upper(),
    ],
)
def test_origins_that_look_alike_may_not_send_credentials(local: Service, origin: str) -> None:
    answer = local.get("/api/files", headers={"Origin": origin})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


# OPTIONS and methods


@pytest.mark.parametrize(("path", "methods"), METHODS.items())
def test_options_succeed_for_everybody(local: Service, path: str, methods: set[str]) -> None:
    answer = local.request("OPTIONS", path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert listed(answer.headers["allow"]) == {*methods, "OPTIONS"}
    for method in methods:
        assert local.request(method, path).status_code != 405


@pytest.mark.parametrize(("path", "methods"), METHODS.items())
def test_other_methods_are_refused_with_those_there_are(
    local: Service, path: str, methods: set[str]
) -> None:
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - methods:
        answer = local.request(method, path)
        assert answer.status_code == 405
        assert listed(answer.headers["allow"]) == {*methods, "OPTIONS"}


def test_no_route_is_left_out_of_these_tests(start: Start) -> None:
    app = build(start().assembly)
    seen = {
        route.path
        for router in (app.router.routes, *(r.routes for r in _included(app)))
        for route in router
        if isinstance(route, Route) and route not in PAGES
    }
    # The last one answers OPTIONS itself, and tells who asks.
    elsewhere = {"/api/docs/oauth2-redirect", "/api/p/*/*"}
    patterns = {re.sub(r"{[^}]*}", "*", path) for path in seen} - elsewhere
    tried = {path.rstrip("/").replace(NOWHERE, "*").replace("a.bin", "*") for path in METHODS}
    tried = {re.sub(r"^(/api/storage/file)/.*", r"\1/*", path) for path in tried}
    assert patterns == tried - {"/api/docs-assets/favicon.png"}


def _included(app: Any) -> Iterator[Any]:
    for route in app.router.routes:
        original = getattr(route, "original_router", None)
        if original is not None:
            yield original


def test_preflights_are_answered_without_signing_in(local: Service) -> None:
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-requested-with",
    }
    answer = local.request("OPTIONS", f"/api/storage/stream/{NOWHERE}", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert listed(answer.headers["access-control-allow-methods"]) == {"POST", "OPTIONS"}
    assert {"Authorization", "X-Requested-With", "If-Match"} <= listed(
        answer.headers["access-control-allow-headers"]
    )
    assert answer.headers["access-control-max-age"] == "21600"


def test_options_of_nothing_are_not_found(local: Service) -> None:
    assert local.request("OPTIONS", "/api/nonsense").status_code == 404


# Request ids and logs


@pytest.mark.parametrize("given", ["abc", "A-1_b.2", "x" * 64])
def test_a_harmless_request_id_is_kept(local: Service, given: str) -> None:
    for path in ("/healthz", "/api/nonsense"):
        answer = local.get(path, headers={"X-Request-ID": given})
        assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "<script>", "a;b", "a/b", "a\x7fb"])
def test_another_request_id_is_replaced(local: Service, given: str) -> None:
    with connected(local.port) as wire:
        wire.send(f"GET /healthz HTTP/1.1\nHost: x\nX-Request-ID: {given}\n\n")
        answer = wire.answer()
    if answer.status == 200:
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])
    else:
        assert answer.status == 400, "not even a header of HTTP"


def test_each_request_has_an_id_of_its_own(local: Service) -> None:
    assert len({local.get("/healthz").headers["x-request-id"] for _ in range(20)}) == 20


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The log as JSON lines, as the service writes it; what pytest does is put back afterwards."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    root = logging.getLogger()
    names = ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic")
    before = [(each, each.level, each.propagate, each.disabled) for each in map(_logger, names)]
    handlers, level = root.handlers[:], root.level
    logs.configure("json", "debug")
    try:
        yield written
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for logger, its_level, propagate, disabled in before:
            logger.setLevel(its_level)
            logger.propagate, logger.disabled = propagate, disabled


def _logger(name: str) -> logging.Logger:
    return logging.getLogger(name)


def test_log_lines_carry_the_request_id(start: Start, log: io.StringIO) -> None:
    service = start()
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    name = document["name"]
    for blob in (service.assembly.config.data / "blobs").rglob(name):
        blob.unlink()
    service.get(document["link"], owner, headers={"X-Request-ID": "trace-me"})
    service.get("/api/nonsense?token=secret", headers={"X-Request-ID": "and-me"})
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    # The client in this process logs too.
    lines = [line for line in lines if not line["logger"].startswith("http")]
    broken = [line for line in lines if line.get("request") == "trace-me"]
    assert {"cella.http", "cella.access"} <= {line["logger"] for line in broken}
    access = next(line for line in broken if line["logger"] == "cella.access")
    assert access["event"].startswith("GET /api/storage/file/")
    assert access["status"] == 500
    assert access["ms"] >= 0
    assert any("BlobMissing" in line.get("exception", "") for line in broken)
    (other,) = (line for line in lines if line.get("request") == "and-me")
    assert (other["event"], other["status"]) == ("GET /api/nonsense", 404)
    assert owner.token not in str(lines)
    assert "signature=" not in str(lines), "a log must not hold working links"


# Health


def test_a_healthy_service_says_so(service: Service) -> None:
    assert service.get("/healthz").json() == {"status": "ok"}
    assert service.get("/readyz").json() == {"status": "ready"}


def test_a_service_without_its_database_lives_but_is_not_ready(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    with (
        postgresql_database(postgresql) as (name, url),
        running(tmp_path, database_url=url, embedded_worker=False) as service,
    ):
        assert service.get("/readyz").status_code == 200
        postgresql.execute(f"DROP DATABASE {name} WITH (FORCE)")
        answer = service.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["status"] == "not ready"
        assert answer.json()["wrong"].keys() == {"database"}
        assert name not in answer.text
        assert service.get("/healthz").status_code == 200
        broken = service.get("/api/files")
        assert broken.status_code == 503
        assert broken.json()["_error"]["retriable"] is True
        assert int(broken.headers["retry-after"]) > 0
        assert name not in broken.text


def test_a_service_without_its_store_is_not_ready(start: Start, tmp_path: Path) -> None:
    service = start()
    assert service.get("/readyz").status_code == 200
    blobs = service.assembly.config.data / "blobs"
    blobs.rename(tmp_path / "taken away")
    answer = service.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["wrong"].keys() == {"store"}
    assert str(blobs) not in answer.text
    (tmp_path / "taken away").rename(blobs)
    assert service.get("/readyz").status_code == 200
