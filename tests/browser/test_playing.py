"""What is made of films and sounds, played by a real browser from a page of another origin."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright
from tests.api.test_films import link, settled
from tests.browser.test_file_upload import CHROMIUM, QUIET, Site, pages
from tests.media.films import film
from tests.support.service import Service, running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

PLAY = """
async ([url, seconds]) => {
  const video = document.createElement("video");
  video.muted = true;
  video.crossOrigin = "anonymous";
  video.src = url;
  document.body.append(video);
  const until = name => new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, {once: true});
    video.addEventListener("error", () => reject(new Error(video.error.message)), {once: true});
  });
  await until("loadeddata");
  const begun = {width: video.videoWidth, height: video.videoHeight, seconds: video.duration};
  const sought = until("seeked");
  video.currentTime = seconds;
  await sought;
  const ended = until("ended");
  await video.play();
  await ended;
  return {...begun, frames: video.getVideoPlaybackQuality().totalVideoFrames};
}
"""
CAN_PLAY = "kind => document.createElement('video').canPlayType(kind)"
CUES = """
async url => {
  const answer = await fetch(url);
  return {status: answer.status, text: await answer.text()};
}
"""


SHOW = """
url => new Promise((resolve, reject) => {
  const image = new Image();
  image.onerror = reject;
  image.onload = () => resolve([image.naturalWidth, image.naturalHeight]);
  image.src = url;
})
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site that the service has never heard of."""
    with pages() as found:
        yield found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of its own."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="module")
def document(served: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A film of three seconds that was made playable."""
    sound = ("-f", "lavfi", "-i", "sine=440:duration=3")
    path = tmp_path_factory.mktemp("films") / "film.mov"
    coding = ("-c:v", "prores", "-c:a", "pcm_s16le")
    content = film(path, 72, "24", *coding, width=480, height=270, sound=sound).read_bytes()
    admin = served.account("admin")
    made = served.upload(admin, served.project(admin), content, "film.mov", "video/quicktime")
    return settled(served, admin, made["_id"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, which can reach nothing but this machine."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, site: Site) -> AsyncIterator[Page]:
    """A page of the other origin."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(site.origin)
    yield page
    await context.close()


async def test_the_film_plays_and_can_be_sought(page: Page, document: dict[str, Any]) -> None:
    async with asyncio.timeout(60):
        played = await page.evaluate(PLAY, [link(document, "270p", "mp4"), 2.0])
    assert (played["width"], played["height"]) == (480, 270)
    assert abs(played["seconds"] - 3) < 0.1
    assert played["frames"] > 0


async def test_the_playlist_plays_where_the_browser_knows_it(
    page: Page, document: dict[str, Any]
) -> None:
    if not await page.evaluate(CAN_PLAY, "application/vnd.apple.mpegurl"):
        pytest.skip("This Chromium plays no HTTP Live Streaming by itself.")
    async with asyncio.timeout(60):
        played = await page.evaluate(PLAY, [link(document, "hls", "m3u8"), 2.0])
    assert (played["width"], played["height"]) == (480, 270)
    assert abs(played["seconds"] - 3) < 0.1


async def test_a_page_reads_the_cues_and_shows_what_they_name(
    page: Page, served: Service, document: dict[str, Any]
) -> None:
    read = await page.evaluate(CUES, link(document, "sprites", "vtt"))
    assert read["status"] == 200
    where = next(line for line in read["text"].splitlines() if "#xywh=" in line).partition("#")[0]
    size = await page.evaluate(
        SHOW,
        served.url + where,
    )
    assert size[0] > 100
    assert size[1] == 90
