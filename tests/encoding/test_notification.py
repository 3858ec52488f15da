"""What Zencoder says, in the words of its documentation."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cella.encoding.config import ZencoderConfig, check_zencoder
from cella.encoding.notification import (
    Output,
    Told,
    plain_line,
    read_job,
    read_notification,
)
from cella.encoding.order import capped, mp4_order
from cella.errors import BadConfig, BadRequest
from cella.media.video.names import size_descriptor

NOTIFICATION = {
    "job": {
        "created_at": "2016-03-01T12:37:42Z",
        "id": 9944999,
        "pass_through": None,
        "state": "finished",
        "submitted_at": "2016-03-01T12:37:42Z",
        "test": False,
        "updated_at": "2016-03-01T12:38:37Z",
    },
    "input": {
        "audio_codec": "aac",
        "channels": "2",
        "duration_in_ms": 100840,
        "file_size_in_bytes": 3310832,
        "format": "mpeg4",
        "frame_rate": 30.0,
        "state": "finished",
        "width": 1920,
    },
    "outputs": [
        {
            "file_size_in_bytes": 1862748,
            "format": "mpeg4",
            "frame_rate": 29.97,
            "height": 1080,
            "id": 9944999,
            "md5_checksum": "7F106918E02A69466AFA0EE014174143",
            "thumbnails": [{"images": [], "label": None}],
            "url": "gcs://575fa1fa1ee9f4000fe7a3ba/_/2bb-mp4.mp4",
            "width": 1920,
        }
    ],
}
FILM = Output(
    format="mp4",
    width=1920,
    height=1080,
    length=1862748,
    md5="7f106918e02a69466afa0ee014174143",
    url="gcs://575fa1fa1ee9f4000fe7a3ba/_/2bb-mp4.mp4",
)
TOLD = Told(job_id="9944999", state="finished", outputs=(FILM,), milliseconds=100840)


def test_a_notification() -> None:
    assert read_notification(NOTIFICATION) == TOLD
    one: Any = {**NOTIFICATION, "output": NOTIFICATION["outputs"][0]}  # type: ignore[index]
    del one["outputs"]
    assert read_notification(one) == TOLD
    assert read_notification({"job": {"id": "a-1", "state": "waiting"}}) == Told(
        job_id="a-1", state="waiting"
    )


def test_a_job_that_was_asked_for() -> None:
    """https://support.brightcove.com/zencoder-api-jobs: other names for the same."""
    output: Any = dict(NOTIFICATION["outputs"][0])  # type: ignore[index]
    output["file_size_bytes"] = output.pop("file_size_in_bytes")
    output |= {"state": "finished", "error_message": None, "error_class": None}
    job = {
        **NOTIFICATION["job"],  # type: ignore[dict-item]
        "input_media_file": NOTIFICATION["input"],
        "output_media_files": [output],
    }
    assert read_job({"job": job}) == TOLD


def test_errors_are_told_in_zencoder_s_words() -> None:
    output = {
        "format": None,
        "state": "failed",
        "error_class": "NoMediaError",
        "error_link": "https://zencoder.com/errors",
        "error_message": "No media\nwas \x1b[31mfound. ",
    }
    told = read_notification({"job": {"id": 1, "state": "failed"}, "outputs": [output]})
    assert told.reason == "No media was [31mfound"
    assert told.outputs[0].format == ""
    plain = read_notification({"job": {"id": 1, "state": "failed"}, "input": {"error_class": "X"}})
    assert plain.reason == "X"
    silent = {"format": "mp4", "state": "cancelled"}
    told = read_notification({"job": {"id": 1, "state": "finished"}, "outputs": [silent]})
    assert told.reason == "the output is cancelled"
    assert len(plain_line("long " * 1000)) <= 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("job", "id", "state", "input", "outputs", "format", "width", "url")),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(("job", "input", "outputs", "output")), JSON))
def test_nothing_that_is_said_does_harm(document: dict[str, Any]) -> None:
    for read in (read_notification, read_job):
        try:
            told = read(document)
        except BadRequest:
            continue
        assert told.job_id
        assert told.state


@pytest.mark.parametrize(
    ("width", "height", "wanted"),
    [
        (640, 480, (640, 480)),
        (1919, 1079, (1919, 1079)),
        (1920, 1080, (1920, 1080)),
        (3840, 2160, (1920, 1080)),
        (4096, 2160, (1920, 1008)),
        (1080, 1920, (592, 1080)),
        (5000, 10, (1920, 8)),
        (1, 60000, (16, 1080)),
    ],
)
def test_films_are_capped_as_the_original_did(
    width: int, height: int, wanted: tuple[int, int]
) -> None:
    assert capped(width, height) == wanted


def test_the_order() -> None:
    assert mp4_order(
        "gcs://a/_/b.mov", target="gcs://a/_/b-mp4.mp4", width=640, height=360, notifications="n"
    ) == {
        "input": "gcs://a/_/b.mov",
        "test": False,
        "outputs": [
            {"format": "mp4", "url": "gcs://a/_/b-mp4.mp4", "upscale": False, "size": "640x360"}
        ],
        "notifications": "n",
    }
    bare = mp4_order("i", target=None, width=None, height=None, notifications="")
    assert bare == {
        "input": "i",
        "test": False,
        "outputs": [{"format": "mp4", "upscale": False}],
    }


@pytest.mark.parametrize(
    ("width", "height", "name"),
    [
        (640, 360, "480p"),
        (720, 576, "576p"),
        (1280, 720, "720p"),
        (1920, 800, "1080p"),
        (2048, 858, "2k"),
        (3840, 2160, "UHD"),
        (4096, 2160, "4k"),
        (608, 1080, "1080p"),
        (100, 99, "99p"),
    ],
)
def test_sizes_have_the_names_of_the_contract(width: int, height: int, name: str) -> None:
    assert size_descriptor(width, height) == name


def test_settings_that_do_not_fit_are_named() -> None:
    check_zencoder("local", ZencoderConfig(url="nowhere"))
    check_zencoder("zencoder", ZencoderConfig(api_key="k"))
    for config, name in (
        (ZencoderConfig(), "CELLA_ZENCODER_API_KEY"),
        (ZencoderConfig(api_key="k", url="nowhere"), "CELLA_ZENCODER_URL"),
        (ZencoderConfig(api_key="k", notifications_url="ftp://a"), "NOTIFICATIONS_URL"),
        (ZencoderConfig(api_key="k", notifications_url="https://a:x"), "NOTIFICATIONS_URL"),
    ):
        with pytest.raises(BadConfig, match=name):
            check_zencoder("zencoder", config)
