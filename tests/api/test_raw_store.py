"""Files without a project, by `/api/storage/file`: contract section 7, and what became of it."""

import hashlib
import re
from collections.abc import Iterator
from itertools import permutations
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from tests.api.test_previews import picture
from tests.api.test_uploads import error, offered_name
from tests.delivery.test_links import key_of
from tests.delivery.test_streams import SPARE, resident
from tests.support.forms import Form, form, part
from tests.support.servers import wait_until
from tests.support.service import LIMIT, Account, Service
from tests.support.wire import connected

from cella.catalog import files
from cella.disposition import safe_name

ROUTE = "/api/storage/file"
MIB = 1 << 20
ORDERS = ["name first", "name last"]


def make(
    name: str | None,
    content: bytes = b"some bytes",
    order: str = "name first",
    filename: str = "upload.bin",
    content_type: str | None = "application/octet-stream",
) -> Form:
    """A form with a name and a file, among fields that mean nothing."""
    text = [] if name is None else [part(name.encode(), None, None, "name")]
    data = [part(b"1", None, None, "other"), part(content, filename, content_type, "data")]
    return form(*text, *data) if order == "name first" else form(*data, *text)


def send(service: Service, by: Account | None, made: Form, path: str = ROUTE) -> httpx.Response:
    """Send a form."""
    return service.request("POST", path, by, headers=made.headers, content=made.body)


def stored(service: Service, by: Account, made: Form) -> str:
    """The URL that a form was stored under."""
    answer = send(service, by, made)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"url"}
    url: str = answer.json()["url"]
    return url


def document_of(service: Service, by: Account, url: str) -> dict[str, Any]:
    """The document of the file that a URL leads to."""
    key = key_of(url)
    file, _ = service.assembly.db.read_now(lambda tx: files.by_blob(tx, key))
    return service.document(by, file.id)


def refused(service: Service, by: Account | None, made: Form) -> str:
    """Why a form was refused as a bad request; nothing is left of it."""
    answer = send(service, by, made)
    assert error(answer) == (400, "bad_request")
    if by is not None:
        service.assert_nothing_left(by)
    message: str = answer.json()["_error"]["message"]
    return message


# What comes of it


@pytest.mark.parametrize("order", ORDERS)
def test_the_url_in_the_answer_works_for_whoever_has_it(service: Service, order: str) -> None:
    """The original answered with a URL that led nowhere."""
    content = bytes(range(256)) * 40
    url = stored(service, service.account(), make("a plate.bin", content, order))
    assert url.startswith(f"{ROUTE}/"), "a path on this server, as it always was"
    answer = service.get(url)
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert answer.headers["content-disposition"] == 'attachment; filename="a plate.bin"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    head = service.request("HEAD", url)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(content)))
    some = service.get(url, headers={"Range": "bytes=10-19"})
    assert (some.status_code, some.content) == (206, content[10:20])
    same = service.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert same.status_code == 304
    garbage = service.get(url, headers={"If-Modified-Since": "garbage"})
    assert garbage.status_code == 200


@pytest.mark.parametrize("order", ORDERS)
def test_it_is_a_file_like_others_but_without_a_project(service: Service, order: str) -> None:
    owner = service.account()
    content = b"words " * 1000
    url = stored(service, owner, make("notes.txt", content, order, filename="x.BIN"))
    document = document_of(service, owner, url)
    assert "project" not in document
    assert document["user"] == owner.id
    assert document["filename"] == "notes.txt"
    assert document["content_type"] == "text/plain", "as its name tells"
    assert document["length"] == document["length_aggregate_in_bytes"] == len(content)
    assert document["sha256"] == hashlib.sha256(content).hexdigest()
    assert document["status"] == "complete"
    assert re.fullmatch(r"[0-9a-f]{32}\.bin", document["name"])
    assert service.blobs(owner) == [f"{owner.id}/_/{document['name']}"]
    assert service.get(document["link"]).content == content
    assert urlsplit(document["link"]).path == urlsplit(url).path


@pytest.mark.parametrize("order", ORDERS)
def test_pictures_get_previews(service: Service, order: str) -> None:
    owner = service.account()
    made = make("logo", picture(300, 200), order, filename="blob")
    url = stored(service, owner, made)
    wait_until(lambda: document_of(service, owner, url)["status"] == "complete")
    document = document_of(service, owner, url)
    assert document["content_type"] == "image/png", "as its bytes tell"
    assert {variation["size"] for variation in document["variations"]} == set("sbtmlh")
    for variation in document["variations"]:
        assert service.get(variation["link"]).status_code == 200
        assert ("?" in variation["link"]) == (variation["size"] != "t")
    assert len(service.blobs(owner)) == 7


def test_nothing_is_ever_overwritten(service: Service) -> None:
    owner, other = service.account(), service.account()
    urls = {
        stored(service, by, make("logo.txt", content)): content
        for by, content in ((owner, b"first"), (owner, b"second"), (other, b"third"))
    }
    assert len(urls) == 3
    for url, content in urls.items():
        assert service.get(url).content == content


def test_no_project_counts_it(service: Service) -> None:
    owner = service.account()
    before = service.everything()["project_stats"]
    stored(service, owner, make("a.txt"))
    assert service.everything()["project_stats"] == before


def test_large_files_cost_no_memory(sqlite_disk: Service) -> None:
    service = sqlite_disk
    owner = service.account("subscriber")
    empty = make("large.bin", b"", "name last")
    cut = empty.body.index(b'name="data"')
    cut = empty.body.index(b"\r\n\r\n", cut) + 4
    block = bytes(range(256)) * (MIB // 256)
    before = peak = resident()

    def body() -> Iterator[bytes]:
        nonlocal peak
        yield empty.body[:cut]
        for _ in range(100):
            yield block
            peak = max(peak, resident())
        yield empty.body[cut:]

    answer = service.request("POST", ROUTE, owner, headers=empty.headers, content=body())
    assert answer.status_code == 200, answer.text
    assert document_of(service, owner, answer.json()["url"])["length"] == 100 * MIB
    assert peak - before < SPARE


# Names


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("we-ird&na_me(1).png", "weirdna_me1.png"),
        ("../../etc/passwd", "etcpasswd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("김치.txt", "김치.txt"),
        ("  spaced out .txt ", "spaced out .txt"),
        ("...htaccess", "htaccess"),
        (". a.txt", "a.txt"),
        (" .. . b.txt", "b.txt"),
        ("-. c.txt", "c.txt"),
        ("line\r\nSet-Cookie: a=b.txt", "lineSetCookie ab.txt"),
        ("a\0b.txt", "ab.txt"),
        ("gpj\u202eexe.txt", "gpjexe.txt"),
        ("%2e%2e%2fx.txt", "2e2e2fx.txt"),
        ("x" * 300 + ".txt", "x" * 251 + ".txt"),
        ("a..b.txt", "a..b.txt"),
        ("CON.txt", "CON.txt"),
    ],
)
def test_of_a_name_letters_and_digits_are_kept(
    local: Service, given: str, kept: str, order: str
) -> None:
    owner = local.account()
    url = stored(local, owner, make(given, order=order))
    assert document_of(local, owner, url)["filename"] == kept
    answer = local.get(url)
    assert answer.content == b"some bytes"
    assert "set-cookie" not in answer.headers
    assert offered_name(answer.headers["content-disposition"]) == safe_name(kept)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["", ".", "..", ". .", " ", "---", "/", "\0", "\u202e", "。"])
def test_a_name_of_which_nothing_is_left_is_refused(
    service: Service, name: str, order: str
) -> None:
    """The original answered 500."""
    assert "'name' nothing is left" in refused(service, service.account(), make(name, order=order))


def test_a_name_in_latin_1_is_read(local: Service) -> None:
    owner = local.account()
    text = part("café.txt".encode("latin-1"), None, None, "name")
    url = stored(local, owner, form(text, part(b"x", field="data")))
    assert document_of(local, owner, url)["filename"] == "café.txt"


# Types


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("name", "declared", "kept"),
    [
        ("x.blend", "application/octet-stream", "application/x-blender"),
        ("x.html", "text/plain", "text/html"),
        ("x.svg", None, "image/svg+xml"),
        ("README", None, "application/octet-stream"),
        ("README", "x/y", "x/y"),
        ("film.mp4", "video/mp4", "application/x-mp4"),
    ],
)
def test_the_type_is_found_as_for_all_files(
    local: Service, name: str, declared: str | None, kept: str, order: str
) -> None:
    owner = local.account()
    made = make(name, b"some words", order, filename="blob", content_type=declared)
    document = document_of(local, owner, stored(local, owner, made))
    assert document["content_type"] == kept


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.xhtml", "x.xml", "x.js"])
def test_what_a_browser_might_run_is_saved_and_not_shown(local: Service, name: str) -> None:
    """The original served it inline, from its own origin."""
    url = stored(local, local.account(), make(name, b"<script>alert(1)</script>"))
    answer = local.get(url)
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


# Refusals


NAME = part(b"a.txt", None, None, "name")
DATA = part(b"some bytes", field="data")
BROKEN = {
    "no field 'name'": [
        form(DATA),
        form(part(b"a.txt", "name.txt", "text/plain", "name"), DATA),
        form(part(b"a.txt", None, None, "Name"), DATA),
    ],
    "no part named 'data'": [form(NAME), form(NAME, part(b"x", field="file")), form()],
    "'data' is no file": [form(NAME, part(b"x", None, None, "data")), form(NAME, part(b"", ""))],
    "more than one part named 'name'": [
        form(*order) for order in set(permutations((NAME, NAME, DATA)))
    ],
    "more than one part named 'data'": [form(NAME, DATA, DATA), form(DATA, DATA, NAME)],
    "ends early": [
        form(NAME, DATA, is_closed=False),
        form(DATA, NAME, is_closed=False),
        form(NAME, is_closed=False),
    ],
    "beside the file": [form(part(b"x" * 70_000, None, None, "name"), DATA)],
}


@pytest.mark.parametrize(
    ("reason", "made"),
    [
        pytest.param(reason, made, id=f"{reason} {number}")
        for reason, forms in BROKEN.items()
        for number, made in enumerate(forms)
        if reason != "'data' is no file" or number == 0
    ],
)
def test_forms_that_lack_something_leave_nothing(service: Service, reason: str, made: Form) -> None:
    assert reason in refused(service, service.account("subscriber"), made)


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data"])
def test_what_is_no_form_is_refused(local: Service, content_type: str) -> None:
    made = Form({"Content-Type": content_type}, make("a.txt").body)
    assert "multipart/form-data" in refused(local, local.account(), made)


@pytest.mark.parametrize("order", ORDERS)
def test_it_needs_a_login(service: Service, order: str) -> None:
    """The original let anybody write here."""
    before = service.everything()
    for by in (None, Account("", "", "nonsense")):
        assert error(send(service, by, make("a.txt", order=order))) == (403, "forbidden")
    disabled = service.account()
    service.disable(disabled)
    assert send(service, disabled, make("a.txt", order=order)).status_code == 403
    assert service.everything()["files"] == before["files"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("size", "status"), [(LIMIT - 1, 200), (LIMIT, 413), (LIMIT + 1, 413), (LIMIT + MIB, 413)]
)
def test_it_has_the_limit_of_all_uploads(
    service: Service, order: str, size: int, status: int
) -> None:
    owner = service.account()
    made = make("a.bin", b"x" * size, order)
    answer = send(service, owner, made)
    assert answer.status_code == status
    if status == 413:
        assert error(answer) == (413, "too_large")
        service.assert_nothing_left(owner)
    unlimited = send(service, service.account("demo"), made)
    assert unlimited.status_code == 200


@pytest.mark.parametrize("order", ORDERS)
def test_too_much_without_a_length_leaves_nothing(service: Service, order: str) -> None:
    owner = service.account()
    made = make("a.bin", b"x" * 3 * MIB, order)
    chunks = (made.body[at : at + 4096] for at in range(0, len(made.body), 4096))
    answer = service.request("POST", ROUTE, owner, headers=made.headers, content=chunks)
    assert error(answer) == (413, "too_large")
    service.assert_nothing_left(owner)


def test_refusals_come_before_the_body(local: Service) -> None:
    limited = local.account()
    for signed, status in (("", 403), (f"Authorization: Bearer {limited.token}\n", 413)):
        with connected(local.port) as wire:
            wire.send(
                f"POST {ROUTE} HTTP/1.1\nHost: x\n{signed}Expect: 100-continue\n"
                f"Content-Type: multipart/form-data; boundary=x\nContent-Length: {1 << 40}\n\n"
            )
            # Had the body been asked for, a 100 (Continue) would have come first.
            assert wire.answer().status == status
    local.assert_nothing_left(limited)


def test_a_compressed_body_is_refused(local: Service) -> None:
    owner = local.account()
    made = make("a.txt")
    headers = {**made.headers, "Content-Encoding": "gzip"}
    answer = local.request("POST", ROUTE, owner, headers=headers, content=made.body)
    assert error(answer) == (415, "unsupported_coding")
    local.assert_nothing_left(owner)


@pytest.mark.parametrize("order", ORDERS)
def test_a_cut_connection_leaves_nothing(service: Service, order: str) -> None:
    owner = service.account("subscriber")
    service.wait_until_idle()
    wait_until(lambda: not service.under_way())
    made = make("a.bin", b"x" * 3 * MIB, order)
    with connected(service.port) as wire:
        wire.send(
            f"POST {ROUTE} HTTP/1.1\nHost: x\nAuthorization: Bearer {owner.token}\n"
            f"Content-Type: {made.headers['Content-Type']}\nContent-Length: {8 * MIB}\n\n"
        )
        wire.send(made.body[: 2 * MIB])
        wait_until(lambda: bool(service.under_way()))
    service.assert_nothing_left(owner)


# Who may


def test_only_who_uploaded_it_and_administrators_may_read_it(service: Service) -> None:
    owner, admin = service.account(), service.account("admin")
    url = stored(service, owner, make("a.txt"))
    bare = url.partition("?")[0]
    file_id = document_of(service, owner, url)["_id"]
    for reader in (owner, admin):
        assert service.get(bare, reader).content == b"some bytes"
        assert service.document(reader, file_id)["link"].endswith(url)
    for stranger in (service.account("subscriber"), service.account("demo"), None):
        assert error(service.get(bare, stranger)) == (403, "link_refused")
        assert error(service.get(f"/api/files/{file_id}", stranger)) == (404, "not_found")
        assert service.get(url, stranger).status_code == 200, "the link is enough"


def test_only_who_uploaded_it_and_administrators_list_it(service: Service) -> None:
    owner, admin = service.account(), service.account("admin")
    url = stored(service, owner, make("a.txt"))
    file_id = document_of(service, owner, url)["_id"]
    where = {"where": f'{{"_id": "{file_id}"}}'}
    for reader, count in (
        (owner, 1),
        (admin, 1),
        (service.account("subscriber"), 0),
        (None, 0),
    ):
        listed = service.get("/api/files", reader, params=where).json()
        assert [item["_id"] for item in listed["_items"]] == [file_id] * count
        assert listed["_meta"]["total"] == count


@pytest.mark.parametrize("is_admin", [False, True])
def test_only_who_uploaded_it_and_administrators_delete_it(
    service: Service, is_admin: bool
) -> None:
    owner = service.account()
    url = stored(service, owner, make("a.txt"))
    path = f"/api/files/{document_of(service, owner, url)['_id']}"
    any_state = {"If-Match": "*"}
    for stranger in (service.account("subscriber"), None):
        assert service.request("DELETE", path, stranger, headers=any_state).status_code in (
            403,
            404,
        )
    assert service.get(url).status_code == 200
    by = service.account("admin") if is_admin else owner
    assert service.request("DELETE", path, by, headers=any_state).status_code == 204
    for reader in (owner, by, None):
        assert service.get(url, reader).status_code == 404


# Addresses


@pytest.mark.parametrize(
    "path", ["/", "/a.txt", "/ab/abcdef.txt", "/..%2f..%2fetc/passwd", "/%0a", "/a%0ab/", "/%e2%82"]
)
def test_a_path_in_the_address_means_nothing(local: Service, path: str) -> None:
    owner = local.account()
    answer = send(local, owner, make("a.txt"), ROUTE + path)
    assert answer.status_code == 200
    assert document_of(local, owner, answer.json()["url"])["filename"] == "a.txt"


def test_the_folder_itself_is_not_to_be_read(local: Service) -> None:
    for path in (ROUTE, f"{ROUTE}/"):
        answer = local.get(path, local.account("admin"))
        assert error(answer) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "OPTIONS, POST"


def test_browsers_may_ask_before(local: Service) -> None:
    for path, methods in ((ROUTE, "OPTIONS, POST"), (f"{ROUTE}/a/b", "GET, HEAD, OPTIONS, POST")):
        answer = local.request("OPTIONS", path, headers={"Origin": "https://other.example"})
        assert answer.status_code == 200
        assert answer.headers["allow"] == methods
        assert answer.headers["access-control-allow-methods"] == methods


def test_quoted_names_do_not_matter(local: Service) -> None:
    """The name never becomes a part of the address."""
    url = stored(local, local.account(), make("김치 1.txt"))
    assert quote(urlsplit(url).path) == urlsplit(url).path
