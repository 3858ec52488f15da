"""Which ffmpeg is used, and what it says that it can do."""

from pathlib import Path

import pytest
from tests.media.films import PROGRAMS, film

from cella.errors import CannotDecode, DecoderCrashed
from cella.media import ffmpeg
from cella.media.ffmpeg import Abilities
from cella.media.sandbox import Sandbox


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=["found", "bundled"][: len(PROGRAMS)])
def test_it_can_do_what_we_need(program: Path) -> None:
    abilities = ffmpeg.abilities(program)
    assert abilities.lacks == ()
    assert abilities.maps_tones


def test_one_without_zscale_maps_no_tones() -> None:
    assert not Abilities("5.1", ("zscale",)).maps_tones
    assert Abilities("5.1", ("bwdif",)).maps_tones


def test_the_configured_one_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = program(tmp_path / "ffmpeg", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ffmpeg.find() == ours
    assert ffmpeg.find(str(ours)) == ours
    assert ffmpeg.find("ffmpeg") == ours
    assert ffmpeg.find(str(tmp_path / "missing")) is None
    ours.unlink()
    assert ffmpeg.find() == ffmpeg.bundled()


@pytest.mark.parametrize("does", ["exit 1", "echo ffplay version 7", "echo ffmpeg", "kill $$"])
def test_what_is_none_is_told(tmp_path: Path, does: str) -> None:
    with pytest.raises(DecoderCrashed, match="does not answer"):
        ffmpeg.abilities(program(tmp_path / "ffmpeg", does))


NAMES = "".join(f"echo ' V... {name} x';" for name in ("libx264", "zscale", "tonemap"))


@pytest.mark.parametrize("silent", ["-version", "-encoders", "-filters"])
@pytest.mark.asyncio(loop_scope="module")
async def test_one_that_does_not_answer_once_is_asked_again(tmp_path: Path, silent: str) -> None:
    once = f'[ "$2" = {silent} ] && mkdir {tmp_path / "asked"} && exit 1'
    script = f'{once}\ncase "$2" in -version) echo ffmpeg version 9.9 by us;; *) {NAMES} esac'
    path = program(tmp_path / "ffmpeg", script)
    with pytest.raises(DecoderCrashed, match="does not answer"):
        await ffmpeg.maps_tones(path)
    assert await ffmpeg.maps_tones(path)


def test_what_it_lacks_is_told(tmp_path: Path) -> None:
    script = (
        'case "$2" in -version) echo ffmpeg version 9.9 by us;; *) echo " V... libx264 x";; esac'
    )
    abilities = ffmpeg.abilities(program(tmp_path / "ffmpeg", script))
    assert abilities.version == "9.9"
    assert "libx264" not in abilities.lacks
    assert {"aac", "zscale"} <= set(abilities.lacks)


def program(path: Path, does: str) -> Path:
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)
    return path


@pytest.mark.asyncio(loop_scope="module")
async def test_complaints_have_no_paths(sandbox: Sandbox, tmp_path: Path) -> None:
    source = film(tmp_path / "film.mp4", 12, "24", "-c:v", "mpeg4")
    source.write_bytes(source.read_bytes()[:2000])
    words = [*ffmpeg.reading(source, "mov,mp4", 1 << 24), str(tmp_path / "out.mkv")]
    for each in PROGRAMS.values():
        with pytest.raises(CannotDecode) as raised:
            await ffmpeg.run(sandbox, each, words, reads=[source], writes=[tmp_path])
        assert str(tmp_path) not in raised.value.message


@pytest.mark.asyncio(loop_scope="module")
async def test_what_it_does_not_know_is_no_fault_of_the_file(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    source = film(tmp_path / "film.mp4", 12, "24", "-c:v", "mpeg4")
    words = [*ffmpeg.reading(source, "mov,mp4", 1 << 24), "-c:v", "none_such", "out.mkv"]
    for each in PROGRAMS.values():
        with pytest.raises(DecoderCrashed, match="cella doctor"):
            await ffmpeg.run(sandbox, each, words, reads=[source], writes=[tmp_path])
