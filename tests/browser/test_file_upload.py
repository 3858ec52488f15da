"""jQuery File Upload, unmodified, in a real browser: on the service's own origin and on another."""

import asyncio
import hashlib
import io
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright
from tests.support.servers import wait_until
from tests.support.service import LIMIT, Account, Service, running

from cella.model import Project

HERE = Path(__file__).parent
SCRIPTS = HERE / "node_modules"
CHROMIUM = shutil.which("chromium")
ASSETS = {
    "/": (HERE / "upload.html", "text/html; charset=utf-8"),
    "/jquery.js": (SCRIPTS / "jquery/dist/jquery.js", "text/javascript"),
    "/jquery.ui.widget.js": (
        SCRIPTS / "blueimp-file-upload/js/vendor/jquery.ui.widget.js",
        "text/javascript",
    ),
    "/jquery.fileupload.js": (
        SCRIPTS / "blueimp-file-upload/js/jquery.fileupload.js",
        "text/javascript",
    ),
}
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
MIB = 1 << 20

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not SCRIPTS.is_dir(), reason="`make test` gets the scripts; run it once"),
]


class Site(NamedTuple):
    """A server of pages on a port of its own, and the paths that it was asked for."""

    origin: str
    asked: list[str]


@contextmanager
def pages() -> Iterator[Site]:
    """Serve the page with the widget, as a studio's web site would."""
    asked: list[str] = []

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            path, content_type = ASSETS.get(self.path, (None, "text/plain"))
            body = b"" if path is None else path.read_bytes()
            self.send_response(404 if path is None else 200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, name="pages")
        thread.start()
        try:
            yield Site(f"http://127.0.0.1:{server.server_port}", asked)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site whose origin may send credentials."""
    with pages() as found:
        yield found


@pytest.fixture(scope="module")
def stranger() -> Iterator[Site]:
    """A site that the service has never heard of."""
    with pages() as found:
        yield found


@pytest.fixture(scope="module")
def served(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that knows the site."""
    with running(tmp_path_factory.mktemp("service"), cors_origins=[site.origin]) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, which can reach nothing but this machine."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser without history."""
    context = await browser.new_context(viewport={"width": 1200, "height": 900})
    yield context
    await context.close()


@pytest.fixture(params=["same origin", "known origin", "other origin"])
def where(request: pytest.FixtureRequest) -> str:
    """Where the page with the widget comes from."""
    found: str = request.param
    return found


class Widget:
    """The page with the widget, and what it tells."""

    def __init__(self, page: Page, service: Service, where: str) -> None:
        self.page = page
        self._service = service
        self._base = "" if where == "same origin" else service.url
        self._credentials = where == "known origin"

    async def begin(self, by: Account | None, project: Project, cancel_after: int = 0) -> None:
        """Set the widget up as a page of the project would."""
        await self.page.evaluate(
            "begin",
            {
                "url": f"{self._base}/api/storage/stream/{project.id}",
                "token": by.token if by else "",
                "credentials": self._credentials,
                "cancelAfter": cancel_after,
            },
        )

    async def choose(self, *paths: Path) -> list[dict[str, Any]]:
        """Choose files, as a user does, and wait until something has come of each."""
        await self.page.set_input_files("#file", paths)
        await self.page.wait_for_function(
            "count => events.filter(event => event.kind !== 'progress').length >= count",
            arg=len(paths),
        )
        return [event for event in await self.events() if event["kind"] != "progress"]

    async def events(self) -> list[dict[str, Any]]:
        """All that has happened so far, in order."""
        events: list[dict[str, Any]] = await self.page.evaluate("events")
        return events

    async def document(self, by: Account, file_id: str) -> dict[str, Any]:
        """A file's document, read by the page."""
        url = f"{self._base}/api/files/{file_id}"
        answer = await self.page.evaluate("([url, token]) => ask(url, token)", [url, by.token])
        assert answer["status"] == 200
        document: dict[str, Any] = answer["body"]
        assert answer["etag"] == f'"{document["_etag"]}"'
        return document

    async def store(self, by: Account, name: str, content: str, kind: str) -> str:
        """Store a file without a project, and give its whole URL."""
        arguments = [f"{self._base}/api/storage/file", by.token, name, content, kind]
        answer = await self.page.evaluate("all => store(...all)", arguments)
        assert answer["status"] == 200
        return self._service.url + str(answer["body"]["url"])

    async def show(self, url: str, caption: str) -> tuple[int, int] | None:
        """Show a picture, and tell its size, None where the browser shows none."""
        size = await self.page.evaluate("([url, caption]) => show(url, caption)", [url, caption])
        return None if size is None else tuple(size)


@pytest_asyncio.fixture(loop_scope="module")
async def widget(
    context: BrowserContext, served: Service, site: Site, stranger: Site, where: str
) -> Widget:
    """The page, opened."""
    page = await context.new_page()
    if where == "same origin":
        # While requests are intercepted there are no preflights, and progress is told late.
        await page.route(f"{served.url}/pages/**", _answer_with_asset)
        await page.goto(f"{served.url}/pages/")
        await page.unroute_all()
    else:
        await page.goto((site if where == "known origin" else stranger).origin + "/")
    return Widget(page, served, where)


async def _answer_with_asset(route: Route) -> None:
    path, content_type = ASSETS[route.request.url.partition("/pages")[2]]
    await route.fulfill(path=path, content_type=content_type)


@pytest.fixture
def owner(served: Service) -> Account:
    """Somebody without a limit."""
    return served.account("subscriber")


@pytest.fixture
def project(served: Service, owner: Account) -> Project:
    """A project of the owner's."""
    return served.project(owner)


def written(path: Path, content: bytes) -> Path:
    """A file on the user's disk."""
    path.write_bytes(content)
    return path


def sparse(path: Path, size: int) -> Path:
    """A large file on the user's disk that takes no room there."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def photo(path: Path) -> Path:
    """A photo of 900 × 600, with something to see."""
    ramp = Image.linear_gradient("L").resize((900, 600))
    Image.merge("RGB", (ramp, ramp.rotate(180), Image.new("L", (900, 600), 90))).save(path)
    return path


async def test_several_files_at_once_with_their_progress(
    widget: Widget, served: Service, owner: Account, project: Project, tmp_path: Path
) -> None:
    paths = [
        written(tmp_path / "plate 0041.bin", os.urandom(12 * MIB)),
        written(tmp_path / "김치 & naïve.txt", b"words"),
        written(tmp_path / "empty.dat", b""),
    ]
    await widget.begin(owner, project)
    ends = await widget.choose(*paths)
    assert {event["name"] for event in ends} == {path.name for path in paths}
    for event in ends:
        assert (event["kind"], event["status"]) == ("done", 201), event
        assert event["answer"].keys() == {"status", "file_id"}
        assert event["location"] == f"/api/files/{event['answer']['file_id']}"
        document = await widget.document(owner, event["answer"]["file_id"])
        content = (tmp_path / event["name"]).read_bytes()
        assert document["filename"] == event["name"]
        assert document["sha256"] == hashlib.sha256(content).hexdigest()
    steps = [
        event["loaded"]
        for event in await widget.events()
        if event["kind"] == "progress" and event["name"] == "plate 0041.bin"
    ]
    assert steps == sorted(steps)
    assert steps[-1] == 12 * MIB


@pytest.mark.parametrize("size", [LIMIT, 200 * MIB])
async def test_a_page_can_tell_that_a_file_is_too_large(
    widget: Widget, served: Service, tmp_path: Path, size: int
) -> None:
    """To a page of another origin the original's 413 was a network error like any other."""
    limited = served.account()
    project = served.project(limited)
    await widget.begin(limited, project)
    (event,) = await widget.choose(sparse(tmp_path / "large.bin", size))
    assert (event["kind"], event["status"]) == ("fail", 413), event
    assert event["answer"]["_error"]["name"] == "too_large"
    assert "need another role" in event["answer"]["_error"]["message"]


async def test_a_page_can_tell_that_it_needs_a_login(
    widget: Widget, served: Service, project: Project, tmp_path: Path
) -> None:
    await widget.begin(None, project)
    (event,) = await widget.choose(written(tmp_path / "a.txt", b"words"))
    assert (event["kind"], event["status"]) == ("fail", 403), event
    assert event["answer"]["_error"]["message"].startswith("Sign in first")


async def test_an_upload_that_its_user_aborts_leaves_nothing(
    widget: Widget, served: Service, owner: Account, project: Project, tmp_path: Path
) -> None:
    await widget.begin(owner, project, cancel_after=2 * MIB)
    (event,) = await widget.choose(sparse(tmp_path / "large.bin", 500 * MIB))
    assert (event["kind"], event["reason"]) == ("fail", "abort")
    await asyncio.to_thread(served.assert_nothing_left, project)


async def test_pictures_are_shown_by_their_links(
    widget: Widget, served: Service, owner: Account, project: Project, tmp_path: Path
) -> None:
    await widget.begin(owner, project)
    (event,) = await widget.choose(photo(tmp_path / "photo.png"))
    document = await widget.document(owner, event["answer"]["file_id"])
    assert document["status"] == "complete"
    variations = {variation["size"]: variation for variation in document["variations"]}
    assert variations.keys() == set("sbtmlh")
    for size, variation in variations.items():
        assert ("?" in variation["link"]) == (size != "t")
        shown = await widget.show(variation["link"], f"{size} of {document['filename']}")
        assert shown == (variation["width"], variation["height"])
    assert await widget.show(document["link"], "the original") == (900, 600)
    unsigned = variations["m"]["link"].partition("?")[0]
    assert await widget.show(unsigned, "without its signature") is None
    picture = await widget.page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert Image.open(io.BytesIO(picture)).getcolors(maxcolors=1000) is None, "a photo is seen"


SCRIPT = "<script>fetch('{0}/ran'); document.title = 'ran'</script>"
PAGE = "<!doctype html><title>quiet</title>" + SCRIPT
OPENING = {
    "tab": "url => { window.open(url) }",
    "frame": "url => { $('<iframe>').attr('src', url).appendTo('body') }",
}
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60">' + SCRIPT + "</svg>"


@pytest.mark.parametrize("where", ["same origin"])
@pytest.mark.parametrize(
    ("name", "content"),
    [("page.html", PAGE), ("drawing.svg", DRAWING), ("page.xhtml", DRAWING)],
    ids=["html", "svg", "xhtml"],
)
async def test_an_uploaded_page_runs_no_script(
    widget: Widget,
    site: Site,
    owner: Account,
    project: Project,
    tmp_path: Path,
    name: str,
    content: str,
) -> None:
    """In a tab of its own and in a frame it is saved, and as a picture it does nothing."""
    text = content.format(site.origin)
    harmful = await widget.page.context.new_page()
    async with harmful.expect_request("**/ran"):
        await harmful.set_content(text)
    await harmful.close()
    await asyncio.to_thread(wait_until, lambda: "/ran" in site.asked)
    site.asked.clear()

    await widget.begin(owner, project)
    (event,) = await widget.choose(written(tmp_path / name, text.encode()))
    link = (await widget.document(owner, event["answer"]["file_id"]))["link"]
    stored = await widget.store(owner, name, text, "text/html")
    for url in (link, stored):
        for way in ("tab", "frame"):
            async with widget.page.expect_download() as saved:
                await widget.page.evaluate(OPENING[way], url)
            download = await saved.value
            assert download.suggested_filename == name
            assert (await download.path()).read_bytes() == text.encode()
        await widget.show(url, name)
    assert "/ran" not in site.asked
    assert "ran" not in [await page.title() for page in widget.page.context.pages]
