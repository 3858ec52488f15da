"""The page for people in a real browser: what artists and administrators do with it."""

import asyncio
import base64
import json
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect
from tests.api.test_films import settled
from tests.api.test_make_token import PASSWORD, with_password
from tests.browser.test_file_upload import CHROMIUM, QUIET, SCRIPTS, photo
from tests.media.films import film, run
from tests.support.providers import OidcServer
from tests.support.service import LIMIT, Account, Service, running

import cella.web
from cella.catalog import files
from cella.ids import new_etag, new_id
from cella.model import File, Project

STATIC = Path(cella.web.__file__).parent / "static"
AXE = SCRIPTS / "axe-core" / "axe.min.js"
FIRST_VIEW = 200_000
MANY = 10_000
PATIENCE = 30_000

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not AXE.is_file(), reason="`make test` gets the scripts; run it once"),
    pytest.mark.skipif(not (STATIC / "index.html").is_file(), reason="`make web` builds the page"),
]

expect.set_options(timeout=PATIENCE)

DROP = """
async (files) => {
  const data = new DataTransfer();
  for (const {name, type, content} of files) {
    const bytes = Uint8Array.from(atob(content), sign => sign.charCodeAt(0));
    data.items.add(new File([bytes], name, {type, lastModified: 1}));
  }
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(
      new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
  }
}
"""
WATCH = """
addEventListener("securitypolicyviolation", event =>
  console.error(`violated ${event.violatedDirective}: ${event.blockedURI}`));
"""
NUMBER = """
() => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [4, 3];
  const paper = canvas.getContext("2d");
  paper.drawImage(document.querySelector("video"), 0, 0, 4, 3);
  const {data} = paper.getImageData(0, 0, 4, 3);
  return [...Array(12).keys()].reduce((sum, bit) => sum + (data[bit * 4] > 128 ? 1 << bit : 0), 0);
}
"""
FACES = {"viewport": {"width": 1280, "height": 800}}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for all of these tests."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, which can reach nothing but this machine."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        await browser.close()


class Watched:
    """What a browser did that it should not: calls to others, breaches of the policy, errors."""

    def __init__(self, url: str) -> None:
        self.wrong: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.received: dict[str, int] = {}
        self._url = url

    def over(self, context: BrowserContext) -> None:
        """Watch everything in the context."""
        context.on("request", self._hear)
        context.on("response", self._receive)
        context.on("console", self._hear_console)
        context.on("weberror", lambda error: self.wrong.append(str(error.error)))

    def _hear(self, request: Any) -> None:
        self.asked.append((request.method, request.url.removeprefix(self._url)))
        if not request.url.startswith((self._url + "/", "blob:", "data:")):
            self.wrong.append(f"asked {request.url}")

    def _receive(self, response: Any) -> None:
        length = response.headers.get("content-length", "0")
        self.received[response.url.removeprefix(self._url)] = int(length)

    def _hear_console(self, said: Any) -> None:
        # What the server refuses is told on the page, which is what tests look at.
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            self.wrong.append(said.text)


@pytest.fixture
def watched(served: Service) -> Iterator[Watched]:
    """Nothing wrong happens in any of these tests."""
    watching = Watched(served.url)
    yield watching
    assert watching.wrong == []


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser, watched: Watched) -> AsyncIterator[BrowserContext]:
    """A browser without history."""
    context = await browser.new_context(**FACES)  # type: ignore[arg-type]
    await context.add_init_script(WATCH)
    watched.over(context)
    yield context
    await context.close()


@pytest.fixture
def owner(served: Service) -> Account:
    """Somebody without a limit, whose films are made playable."""
    return served.account("subscriber", "video-encoder")


@pytest.fixture
def project(served: Service, owner: Account) -> Project:
    """A private project of the owner's."""
    return served.project(owner, public=False)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of two seconds whose frames show their numbers."""
    path = tmp_path_factory.mktemp("films") / "shot 010.mov"
    return film(path, 48, "24000/1001", "-c:v", "libx264", "-pix_fmt", "yuv420p")


Enter = Callable[[Account, str], Awaitable[Page]]


@pytest.fixture
def enter(context: BrowserContext, served: Service) -> Enter:
    """Open a page as somebody who has signed in."""

    async def open_page(by: Account, path: str) -> Page:
        answer = await context.request.post(
            f"{served.url}/api/session", data=json.dumps({"token": by.token}), headers=JSON
        )
        assert answer.ok
        page = await context.new_page()
        await page.goto(served.url + path)
        return page

    return open_page


JSON = {"Content-Type": "application/json"}


def tile(page: Page, name: str) -> Locator:
    """A file in the grid or the list."""
    return page.get_by_role("option", name=re.compile(re.escape(name)))


def button(page: Page, name: str) -> Locator:
    """A button of exactly this name."""
    return page.get_by_role("button", name=name, exact=True)


def dropped(*paths: Path) -> list[dict[str, str]]:
    """Files as a drop brings them."""
    types = {".png": "image/png", ".mov": "video/quicktime", ".wav": "audio/wav"}
    return [
        {
            "name": path.name,
            "type": types.get(path.suffix, ""),
            "content": base64.b64encode(path.read_bytes()).decode(),
        }
        for path in paths
    ]


async def test_the_story_of_a_newcomer(
    context: BrowserContext,
    browser: Browser,
    served: Service,
    owner: Account,
    project: Project,
    films: Path,
    tmp_path: Path,
) -> None:
    """Signs in, drops three files, sees their previews come, plays, shares, deletes."""
    sound = tmp_path / "theme.wav"
    run("-f", "lavfi", "-i", "sine=440:duration=2", str(sound))
    page = await context.new_page()
    await context.grant_permissions(["clipboard-read", "clipboard-write"])

    await page.goto(served.url)
    await button(page, "With a token").click()
    await page.get_by_label("Token", exact=True).fill("not a token")
    await button(page, "Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("did not work")
    await page.get_by_label("Token", exact=True).fill(owner.token)
    await button(page, "Sign in").click()

    await page.get_by_role("link", name=project.name).click()
    await expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    await page.evaluate(DROP, dropped(photo(tmp_path / "photo.png"), films, sound))
    for name in ("photo.png", films.name, sound.name):
        await expect(tile(page, name).locator("img.loaded")).to_be_visible()
    await expect(tile(page, "photo.png")).to_have_accessible_name(re.compile("Ready"))
    await expect(tile(page, films.name)).to_have_accessible_name(re.compile("Ready"))
    await expect(page.get_by_role("region", name="Uploads")).to_contain_text("3 files uploaded")

    await tile(page, films.name).dblclick()
    await expect(page.get_by_role("region", name="Uploads")).to_have_count(0)
    await expect(page).to_have_url(re.compile("/f/"))
    await button(page, "Play").click()
    await expect(button(page, "Pause")).to_be_visible()
    await expect(page.locator(".frame output")).not_to_have_text("0")
    await page.keyboard.press("k")
    await page.keyboard.press("Home")
    await expect(page.locator(".frame output")).to_have_text("0")
    await page.keyboard.press("Escape")

    await tile(page, "photo.png").click()
    await page.get_by_role("complementary").get_by_role("button", name="Copy link").first.click()
    await expect(page.get_by_text("It works until")).to_be_visible()
    link = await page.evaluate("navigator.clipboard.readText()")
    stranger = await browser.new_context()
    opened = await (await stranger.new_page()).goto(link)
    assert opened is not None
    assert await opened.body() == (tmp_path / "photo.png").read_bytes()
    await stranger.close()

    await page.locator("#files").focus()
    await page.keyboard.press("Delete")
    await expect(tile(page, "photo.png")).to_have_count(0)
    await expect(page.get_by_text("1 file deleted")).to_be_visible()
    await button(page, "Deleted files").click()
    await expect(tile(page, "photo.png")).to_be_visible()


async def test_what_was_deleted_comes_back(
    served: Service, owner: Account, project: Project, enter: Enter
) -> None:
    for name in ("notes.txt", "list.txt"):
        served.upload(owner, project, b"words", name, "text/plain")
    page = await enter(owner, f"/p/{project.id}")
    await tile(page, "notes.txt").click()
    await page.keyboard.press("Delete")
    await expect(tile(page, "notes.txt")).to_have_count(0)
    await button(page, "Undo").click()
    await expect(tile(page, "notes.txt")).to_be_visible()
    await tile(page, "list.txt").click()
    await page.keyboard.press("Delete")
    await button(page, "Deleted files").click()
    await tile(page, "list.txt").click()
    await button(page, "Restore").click()
    await expect(page.get_by_role("heading", name="Nothing was deleted")).to_be_visible()


async def test_steps_and_numbers_are_those_of_the_frames(
    served: Service, owner: Account, project: Project, films: Path, enter: Enter
) -> None:
    content = films.read_bytes()
    made = await asyncio.to_thread(
        served.upload, owner, project, content, films.name, "video/quicktime"
    )
    await asyncio.to_thread(settled, served, owner, made["_id"])
    page = await enter(owner, f"/f/{made['_id']}")
    frame = page.locator(".frame output")
    await expect(page.locator("video")).to_have_js_property("readyState", 4)
    for keys, number in (
        (["ArrowRight"] * 5, 5),
        ([",", "ArrowLeft"], 3),
        (["Shift+ArrowRight"], 27),
        (["End"], 47),
        (["."], 47),
        (["Home"], 0),
    ):
        for key in keys:
            await page.keyboard.press(key)
        await expect(frame).to_have_text(str(number))
        await expect(page.locator("video")).to_have_js_property("seeking", False)
        assert await seen(page, number)
    await page.get_by_label("Seek").hover()
    await expect(page.locator(".sprite")).to_be_visible()


async def seen(page: Page, number: int) -> bool:
    """Whether the frame of this number comes to be on the screen."""
    for _ in range(200):
        if await page.evaluate(NUMBER) == number:
            return True
        await page.wait_for_timeout(20)
    return False


class Line:
    """A line to the service that can be held up and cut, and mended."""

    def __init__(self, port: int) -> None:
        self.passed = 0
        self.holds_after: int | None = None
        self.is_cut = False
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand on what comes, in both directions."""
        self._writers.append(writer)
        if self.is_cut:
            writer.transport.abort()
            return
        back, forth = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(forth)
        await asyncio.gather(self._pass_on(reader, forth), self._hand_back(back, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(1 << 16):
            self.passed += len(block)
            writer.write(block)
            while self.holds_after is not None and self.passed > self.holds_after:
                await asyncio.sleep(0.02)
        writer.close()

    async def _hand_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(1 << 16):
            writer.write(block)
        writer.close()

    def cut(self) -> None:
        """Break all connections off, and take no more."""
        self.is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Let everything pass again."""
        self.is_cut, self.holds_after = False, None


@asynccontextmanager
async def beyond_a_line(
    served: Service, browser: Browser, owner: Account, project: Project
) -> AsyncIterator[tuple[Page, Line]]:
    """The page of a project, empty as yet, behind a line."""
    line = Line(served.port)
    async with await asyncio.start_server(line.connect, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        context = await browser.new_context()
        token = json.dumps({"token": owner.token})
        assert (await context.request.post(f"{url}/api/session", data=token, headers=JSON)).ok
        page = await context.new_page()
        await page.goto(f"{url}/p/{project.id}")
        await expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
        yield page, line
        await context.close()


async def half_sent(page: Page, line: Line, path: Path, most: int) -> tuple[bytes, Locator]:
    """Drop a file of which the line passes so many bytes on; what it holds, and the tray."""
    content = os.urandom(6_000_000)
    path.write_bytes(content)
    line.holds_after = line.passed + most
    await page.evaluate(DROP, dropped(path))
    tray = page.get_by_role("region", name="Uploads")
    await expect(tray).to_contain_text(re.compile(r"[1-9][\d.]* MB / 6"))
    return content, tray


def content_of(served: Service, owner: Account, project: Project) -> bytes:
    """What the one file of the project holds."""
    found = served.get(f"/api/files?where={json.dumps({'project': project.id})}", owner)
    (file,) = found.json()["_items"]
    return served.get(file["link"]).content


async def test_a_connection_that_is_lost_for_long_costs_a_click_and_no_byte(
    served: Service,
    browser: Browser,
    owner: Account,
    project: Project,
    tmp_path: Path,
) -> None:
    async with beyond_a_line(served, browser, owner, project) as (page, line):
        content, tray = await half_sent(page, line, tmp_path / "large.bin", 3_000_000)
        line.cut()
        await expect(tray).to_contain_text("The connection was lost", timeout=60_000)
        line.mend()
        before = line.passed
        await button(page, "Retry large.bin").click()
        await expect(tray).to_contain_text("1 file uploaded")
        await expect(tile(page, "large.bin")).to_have_count(1)
        assert line.passed - before < 3_500_000
        assert await asyncio.to_thread(content_of, served, owner, project) == content


async def test_a_connection_that_is_lost_for_a_moment_costs_nothing(
    served: Service,
    browser: Browser,
    owner: Account,
    project: Project,
    tmp_path: Path,
) -> None:
    async with beyond_a_line(served, browser, owner, project) as (page, line):
        content, tray = await half_sent(page, line, tmp_path / "large.bin", 3_000_000)
        line.cut()
        line.mend()
        await expect(tray).to_contain_text("1 file uploaded")
        assert await asyncio.to_thread(content_of, served, owner, project) == content


async def test_a_page_that_was_closed_goes_on_when_the_file_is_dropped_again(
    served: Service,
    browser: Browser,
    owner: Account,
    project: Project,
    tmp_path: Path,
) -> None:
    async with beyond_a_line(served, browser, owner, project) as (page, line):
        page.on("dialog", lambda dialog: asyncio.create_task(dialog.accept()))
        content, tray = await half_sent(page, line, tmp_path / "large.bin", 4_000_000)
        url = page.url
        await page.goto("about:blank")
        line.cut()
        line.mend()
        await page.goto(url)
        await expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
        before = line.passed
        await page.evaluate(DROP, dropped(tmp_path / "large.bin"))
        await expect(tray).to_contain_text("1 file uploaded")
        assert line.passed - before < 3_500_000
        assert await asyncio.to_thread(content_of, served, owner, project) == content


async def test_an_upload_is_paused_gone_on_with_and_cancelled(
    served: Service,
    context: BrowserContext,
    owner: Account,
    project: Project,
    enter: Enter,
    tmp_path: Path,
) -> None:
    page = await enter(owner, f"/p/{project.id}")
    network = await context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 400_000}
    await network.send("Network.enable")
    await network.send("Network.emulateNetworkConditions", slow)
    content = os.urandom(3_000_000)
    for name in ("kept.bin", "dropped.bin"):
        (tmp_path / name).write_bytes(content)
    await expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    await page.evaluate(DROP, dropped(tmp_path / "kept.bin", tmp_path / "dropped.bin"))
    tray = page.get_by_role("region", name="Uploads")
    kept = tray.get_by_role("listitem").filter(has_text="kept.bin")
    await expect(kept).to_contain_text(re.compile(r"[1-9][\d.]* [kK]B / 3"))
    await button(page, "Pause kept.bin").click()
    await expect(kept).to_contain_text("Paused")
    await button(page, "Cancel dropped.bin").click()
    await expect(tray).not_to_contain_text("dropped.bin")
    await network.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    await button(page, "Go on with kept.bin").click()
    await expect(tray).to_contain_text("1 file uploaded")
    await expect(tile(page, "kept.bin")).to_have_count(1)
    await expect(tile(page, "dropped.bin")).to_have_count(0)
    assert await asyncio.to_thread(content_of, served, owner, project) == content


async def test_what_may_not_be_uploaded_is_told_before_the_first_byte(
    served: Service, watched: Watched, enter: Enter, tmp_path: Path
) -> None:
    limited, other = served.account(), served.account()
    own, foreign = served.project(limited), served.project(other)
    page = await enter(limited, f"/p/{own.id}")
    (tmp_path / "large.bin").write_bytes(bytes(LIMIT))
    await expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    await page.evaluate(DROP, dropped(tmp_path / "large.bin"))
    await expect(page.get_by_role("region", name="Uploads")).to_contain_text("must be smaller than")
    await page.goto(f"{served.url}/p/{foreign.id}")
    await expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    await page.evaluate(DROP, dropped(tmp_path / "large.bin"))
    await expect(page.get_by_text("You may not add files to")).to_be_visible()
    assert not [path for method, path in watched.asked if "/uploads/" in path and method == "POST"]


async def test_ten_thousand_files_are_as_light_as_ten(
    served: Service, owner: Account, project: Project, enter: Enter
) -> None:
    def fill() -> None:
        rows = [row(project, owner, number) for number in range(MANY)]
        served.assembly.db.write_now(lambda tx: files.add_all(tx, rows))

    await asyncio.to_thread(fill)
    page = await enter(owner, f"/p/{project.id}")
    await expect(page.get_by_role("heading", name="10,000 files")).to_be_visible()
    options, area = page.get_by_role("option"), page.locator("#files")
    await expect(options.first).to_be_visible()
    for _ in range(12):
        await page.mouse.move(600, 400)
        await page.mouse.wheel(0, 4000)
        assert await options.count() < 120
    await area.focus()
    await page.keyboard.press("End")
    last = options.and_(page.locator(f"[aria-posinset='{MANY}']"))
    await expect(last).to_be_in_viewport()
    await expect(last).to_have_attribute("aria-selected", "true")
    assert await options.count() < 120
    await page.keyboard.press("l")
    await expect(last).to_be_in_viewport()
    assert await options.count() < 120
    await area.focus()
    await page.keyboard.press("Shift+Home")
    await page.get_by_label("Search by name").fill("plate 04242")
    await expect(options).to_have_count(1)


def row(project: Project, owner: Account, number: int) -> File:
    """A file of which there is nothing but its document."""
    name = f"plate {number:05}.exr"
    return File(
        id=new_id(),
        created=1_700_000_000 + number,
        updated=1_700_000_000 + number,
        etag=new_etag(),
        name=name,
        filename=name,
        content_type="image/x-exr",
        length=number,
        status="complete",
        user=owner.id,
        project=project.id,
        backend="local",
        file_path=None,
    )


async def test_the_keyboard_is_enough(
    context: BrowserContext, served: Service, owner: Account, project: Project
) -> None:
    for number in range(3):
        served.upload(owner, project, b"words", f"notes {number}.txt", "text/plain")
    page = await context.new_page()
    await page.goto(served.url)
    await expect(button(page, "Sign in")).to_be_visible()
    await tab_to(page, button(page, "With a token"))
    await page.keyboard.press("Enter")
    await tab_to(page, page.get_by_label("Token", exact=True))
    await page.keyboard.type(owner.token)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name=project.name)).to_be_visible()
    await tab_to(page, page.get_by_role("link", name=project.name))
    await page.keyboard.press("Enter")
    await expect(tile(page, "notes 2.txt")).to_be_visible()

    await tab_to(page, page.get_by_role("listbox"))
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Shift+ArrowRight")
    await expect(page.get_by_text("2 selected", exact=True)).to_be_visible()
    await page.keyboard.press("Control+a")
    await expect(page.get_by_text("3 selected", exact=True)).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("option", selected=True)).to_have_count(0)
    await page.keyboard.press("Home")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="notes 2.txt")).to_contain_text("words")
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("region", name="notes 1.txt")).to_contain_text("words")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("listbox")).to_be_focused()

    await page.keyboard.press("F2")
    await expect(page.get_by_label("New name")).to_be_focused()
    await page.keyboard.type("renamed")
    await page.keyboard.press("Enter")
    await expect(tile(page, "renamed.txt")).to_be_visible()
    await page.keyboard.press("Shift+F10")
    await expect(page.get_by_role("menuitem", name="Delete")).to_be_visible()
    await page.keyboard.press("End")
    await page.keyboard.press("Enter")
    await expect(tile(page, "renamed.txt")).to_have_count(0)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await page.keyboard.press("Escape")


async def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the wanted element has the focus."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("element => element === document.activeElement"):
            return
    pytest.fail("Tab does not lead there")


async def test_the_story_of_an_administrator(
    context: BrowserContext, served: Service, enter: Enter
) -> None:
    """Looks at how things are, adds somebody, makes a token, adds a member, tries a job again."""
    admin = served.account("admin")
    project = served.project(admin)
    broken = served.upload(admin, project, b"\x89PNG\r\n\x1a\n broken", "broken.png", "image/png")
    assert broken["status"] == "failed"
    page = await enter(admin, "/admin")
    await expect(page.get_by_text("in order").first).to_be_visible()
    await expect(page.get_by_role("link", name=project.name).last).to_be_visible()
    await expect(page.get_by_text("None yet").first).to_be_visible()

    await page.get_by_role("navigation").get_by_role("link", name="Users").click()
    await button(page, "New user").click()
    name = f"grace{project.id[-6:]}"
    await page.get_by_label("User name").fill(name)
    await page.get_by_label("E-mail").fill(f"{name}@studio.example")
    await page.get_by_label("Roles").fill("subscriber")
    await button(page, "Add user").click()
    line = page.get_by_role("row", name=name)
    await expect(line).to_contain_text("subscriber")
    await line.get_by_role("button", name="Tokens").click()
    await page.get_by_label("Valid for (days)").fill("3")
    await button(page, "New token").click()
    token = await page.locator(".once code").inner_text()
    me = served.get("/api/users/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json()["username"] == name
    await button(page, "Revoke").click()
    await expect(page.get_by_text("Token revoked")).to_be_visible()
    gone = served.get("/api/users/me", headers={"Authorization": f"Bearer {token}"})
    assert gone.status_code == 403
    await page.keyboard.press("Escape")
    await line.get_by_role("button", name="Password").click()
    await page.get_by_label("New password", exact=True).fill(PASSWORD)
    await page.get_by_label("New password, again").fill(PASSWORD)
    await button(page, f"Set password of {name}").click()
    await expect(page.get_by_text("signed out everywhere")).to_be_visible()
    await line.get_by_role("button", name="Disable").click()
    await expect(line).to_contain_text("Disabled")
    await line.get_by_role("button", name="Enable").click()
    await expect(line).to_contain_text("Active")

    await page.get_by_role("navigation").get_by_role("link", name="Projects").click()
    await page.get_by_role("row", name=project.name).get_by_role("button", name="Members").click()
    who = page.get_by_label("User name or e-mail")
    await expect(who.locator("+ datalist").locator(f"[value='{name}']")).to_have_count(1)
    await who.fill(name)
    await button(page, "Add member").click()
    await expect(button(page, f"Remove {name}")).to_be_visible()
    await page.keyboard.press("Escape")

    await page.get_by_role("navigation").get_by_role("link", name="Jobs").click()
    await page.get_by_label("State").select_option(label="Failed")
    job = page.get_by_role("row").filter(has=page.locator(f"[href='/f/{broken['_id']}']"))
    await job.get_by_role("button", name="Retry").click()
    await expect(page.get_by_text("The job is tried again")).to_be_visible()
    await job.get_by_role("link").click()
    await expect(page.get_by_role("main").get_by_text("image/png")).to_be_visible()


async def test_the_story_of_an_owner(
    served: Service, project: Project, owner: Account, enter: Enter
) -> None:
    """Lets somebody in and out and in, renames the project, opens it to all, deletes it."""
    guest, reader = served.account(), served.account()
    served.upload(owner, project, b"words", "notes.txt", "text/plain")
    granted = {"permissions": {"users": [{"user": reader.id, "methods": ["GET", "POST"]}]}}
    path = f"/api/projects/{project.id}"
    current = {"If-Match": project.etag}
    assert served.request("PATCH", path, owner, json=granted, headers=current).status_code == 200
    page = await enter(owner, f"/p/{project.id}")
    await tab_to(page, button(page, "Members and settings"))
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=project.name)
    await expect(dialog.get_by_role("listitem").first).to_contain_text("Owner, may do everything")
    for _ in range(2):
        line = dialog.get_by_role("listitem").filter(has_text=reader.username)
        await expect(line).to_contain_text("May look, add files")
        await line.get_by_role("button", name=f"Remove {reader.username}").click()
        await expect(line).to_contain_text("Removed")
        assert served.get(path, reader).status_code == 403
        await line.get_by_role("button", name="Undo").click()
    await expect(line).to_contain_text("May look, add files")
    assert served.get(path, reader).status_code == 200
    await page.get_by_label("User name or e-mail").fill("nobody at all")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("Nobody has the user name")
    await page.get_by_label("User name or e-mail").fill(f"{guest.username}@studio.example")
    await page.keyboard.press("Enter")
    line = dialog.get_by_role("listitem").filter(has_text=f"{guest.username}@")
    await expect(line).to_contain_text("May do everything")
    await expect(page.get_by_label("User name or e-mail")).to_have_value("")
    await audit(page)
    assert served.get(path, guest).status_code == 200
    await line.get_by_role("button", name=f"Remove {guest.username}").press("Enter")
    undo = line.get_by_role("button", name="Undo")
    await expect(undo).to_be_focused()
    assert served.get(path, guest).status_code == 403
    await undo.press("Enter")
    await expect(line).to_contain_text("May do everything")
    assert served.get(path, guest).status_code == 200

    await button(page, "Settings").click()
    await dialog.get_by_label("Name", exact=True).fill(f"{project.name} renamed")
    await dialog.get_by_label("Description").fill("What it is about")
    await dialog.get_by_label("Only members may see it").uncheck()
    await audit(page)
    await button(page, "Save").click()
    await expect(page.get_by_role("heading", name=f"{project.name} renamed")).to_be_visible()
    await expect(page.get_by_text("What it is about")).to_be_visible()
    assert served.get(path).status_code == 200

    await button(page, "Members and settings").click()
    await expect(dialog.get_by_role("listitem").last).to_contain_text("Everybody")
    await button(page, "Settings").click()
    await button(page, "Delete project").click()
    sure = page.get_by_role("dialog", name=f"Delete {project.name} renamed?")
    await expect(sure).to_contain_text("It holds 1 file")
    await expect(sure.get_by_role("button", name="Delete project")).to_be_disabled()
    await audit(page)
    await sure.get_by_role("textbox").fill(f"{project.name} renamed")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text(f"{project.name} renamed is deleted")).to_be_visible()
    await expect(page.get_by_role("navigation").get_by_text("renamed")).to_have_count(0)
    assert served.get(path, owner).status_code == 404


async def test_who_leaves_a_project_is_asked_first(
    served: Service, project: Project, owner: Account, enter: Enter
) -> None:
    guest = served.account()
    body = {"project_id": project.id, "user_id": guest.id, "action": "add"}
    assert served.request("POST", "/api/p/users", owner, json=body).status_code == 200
    page = await enter(guest, f"/p/{project.id}")
    await button(page, "Members and settings").click()
    await button(page, f"Remove {guest.username}").click()
    await page.get_by_role("dialog", name="Leave").get_by_role("button", name="Cancel").click()
    await button(page, f"Remove {guest.username}").click()
    await button(page, "Leave project").click()
    await expect(page.get_by_text(f"You have left {project.name}")).to_be_visible()
    await expect(page.get_by_role("link", name=project.name)).to_have_count(0)
    assert served.get(f"/api/projects/{project.id}", guest).status_code == 403


async def test_who_changes_the_own_password_stays(
    context: BrowserContext, browser: Browser, served: Service
) -> None:
    ada = with_password(served)
    new = "staple battery horse correct"
    proof = json.dumps({"username": ada.username, "password": PASSWORD})
    other = await browser.new_context()
    for each in (context, other):
        url = f"{served.url}/api/session"
        assert (await each.request.post(url, data=proof, headers=JSON)).ok
    page = await context.new_page()
    await page.goto(served.url)
    await page.get_by_role("button", name="Account of").press("Enter")
    await page.get_by_role("menuitem", name="Change password").press("Enter")
    current = page.get_by_label("Current password")
    await expect(current).to_be_focused()
    await current.fill("not this one")
    await page.get_by_label("New password", exact=True).fill(new)
    await page.get_by_label("New password, again").fill(new[1:])
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("differ")
    await page.get_by_label("New password, again").fill(new)
    await audit(page)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("The current password is wrong")
    await current.fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Password changed")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("button", name="Account of")).to_be_visible()
    told = await (await other.request.get(f"{served.url}/api/session")).json()
    assert told["user"] is None
    await other.close()


async def test_who_has_no_password_is_not_offered_to_change_it(
    served: Service, owner: Account, enter: Enter
) -> None:
    page = await enter(owner, "/")
    await page.get_by_role("button", name="Account of").click()
    await expect(page.get_by_role("menuitem", name="Sign out", exact=True)).to_be_visible()
    await expect(page.get_by_role("menuitem", name="password")).to_have_count(0)


async def test_who_signs_out_is_out(served: Service, owner: Account, enter: Enter) -> None:
    page = await enter(owner, "/")
    await page.get_by_role("button", name="Account of").click()
    await page.get_by_role("menuitem", name="Sign out everywhere").click()
    await expect(button(page, "Sign in").first).to_be_visible()
    await page.reload()
    await expect(button(page, "Sign in").first).to_be_visible()


async def test_who_signs_in_at_a_provider_comes_back(browser: Browser, tmp_path: Path) -> None:
    """Its page is of another site, to which our cookies are not sent, and from which few are."""
    server = OidcServer()
    server.host, server.now = "localhost", time.time()
    server.said = {"roles": ["cella-admin"]}
    try:
        with running(tmp_path, **server.browser_settings) as service:
            context = await browser.new_context()
            page = await context.new_page()
            await page.goto(f"{service.url}/admin/jobs")
            await page.get_by_role("link", name="Sign in with your organisation").click()
            await expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
            await expect(page.get_by_role("button", name="Account of Ada Lovelace")).to_be_visible()
            assert page.url == f"{service.url}/admin/jobs"
            kept = {
                cookie["name"]
                for cookie in await context.cookies(f"{service.url}/api/session/oidc")
            }
            assert kept == {"cella_session"}
            await context.clear_cookies()
            server.said = {"nonce": "x"}
            await page.goto(service.url)
            await page.get_by_role("link", name="Sign in with your organisation").click()
            await expect(page.get_by_role("alert")).to_contain_text("did not sign you in")
            await context.close()
    finally:
        server.stop()


async def test_the_first_view_is_small(
    context: BrowserContext, served: Service, watched: Watched
) -> None:
    page = await context.new_page()
    await page.goto(served.url)
    await expect(button(page, "Sign in")).to_be_visible()
    assert "/" in watched.received
    assert any(path.startswith("/assets/") for path in watched.received)
    assert sum(watched.received.values()) < FIRST_VIEW


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_axe_finds_nothing_serious(
    served: Service, enter: Enter, context: BrowserContext, colours: Any, tmp_path: Path
) -> None:
    admin = served.account("admin")
    project = served.project(admin)
    picture = photo(tmp_path / "photo.png").read_bytes()
    made = served.upload(admin, project, picture, "photo.png", "image/png")
    served.upload(admin, project, picture[:500], "broken.png", "image/png")
    page = await enter(admin, f"/p/{project.id}")
    await page.emulate_media(color_scheme=colours, reduced_motion="reduce")
    await tile(page, "broken.png").click()
    await expect(button(page, "Try again")).to_be_visible()
    await audit(page)
    await page.keyboard.press("l")
    await button(page, "Filters").click()
    await audit(page)
    await page.goto(f"{served.url}/f/{made['_id']}")
    await button(page, "Details").click()
    await expect(page.get_by_role("heading", name="Links")).to_be_visible()
    await audit(page)
    if colours == "dark":
        await page.goto(f"{served.url}/p/{project.id}")
        await button(page, "Members and settings").click()
        await expect(page.get_by_role("listitem").last).to_contain_text("Everybody")
        await audit(page)
        return
    await page.goto(f"{served.url}/admin")
    await expect(page.get_by_text("in order").first).to_be_visible()
    await audit(page)
    await page.goto(f"{served.url}/admin/users")
    line = page.get_by_role("row", name=admin.username)
    await line.get_by_role("button", name="Tokens").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Revoke")
    await audit(page)
    await context.clear_cookies()
    await page.goto(served.url)
    await expect(button(page, "Sign in")).to_be_visible()
    await audit(page)


async def audit(page: Page) -> None:
    """Have axe-core look at the page as it is."""
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [
        (each["id"], [node["html"][:200] for node in each["nodes"]])
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == []


@pytest.mark.parametrize("width", [360, 2560])
async def test_narrow_and_wide_windows_show_everything(
    served: Service, owner: Account, project: Project, enter: Enter, width: int
) -> None:
    for number in range(4):
        served.upload(owner, project, b"words", f"notes {number}.txt", "text/plain")
    page = await enter(owner, f"/p/{project.id}")
    await page.emulate_media(reduced_motion="reduce")
    await page.set_viewport_size({"width": width, "height": 800})
    await expect(tile(page, "notes 0.txt")).to_be_in_viewport()
    assert await page.evaluate("document.documentElement.scrollWidth") == width
    outside = """
      () => [...document.querySelectorAll("button, input, a, [role=option]")]
        .filter(each => each.checkVisibility({visibilityProperty: true}))
        .map(each => [each.outerHTML.slice(0, 120), each.getBoundingClientRect()])
        .filter(([html, box]) => box.width && !html.includes('class="skip"')
          && (box.left < -1 || box.right > innerWidth + 1))
        .map(([html]) => html)
    """
    assert await page.evaluate(outside) == []
    await button(page, "Members and settings").click()
    await expect(page.get_by_label("User name or e-mail")).to_be_in_viewport()
    assert await page.evaluate(outside) == []
    await page.keyboard.press("Escape")
    if width < 800:
        await button(page, "Open navigation").click()
        await expect(page.get_by_role("link", name=project.name)).to_be_in_viewport()
