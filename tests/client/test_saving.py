"""The names under which strangers' files are saved."""

import pytest

from cella.client import default_name


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("photo.jpg", "photo.jpg"),
        ("김치 100%.png", "김치 100%.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\windows\\system.ini", "system.ini"),
        ("evil\x1b[2J\r\n.txt", "evil[2J.txt"),
        ("gpj.\u202eexe.jpg", "gpj.exe.jpg"),
        ("", "file"),
        ("..", "file"),
        (". .", "file"),
        ("folder/", "file"),
        (".profile", ".profile"),
        ("\ud800.txt", ".txt"),
    ],
)
def test_default_name(filename: str, name: str) -> None:
    assert default_name(filename) == name


@pytest.mark.parametrize(
    ("filename", "extension"), [("ü" * 300 + ".jpeg", ".jpeg"), ("x" * 10 + "." + "é" * 300, "é")]
)
def test_a_long_name_fits_any_file_system(filename: str, extension: str) -> None:
    name = default_name(filename)
    assert 200 < len(f"{name}.part".encode()) <= 255
    assert name.endswith(extension)
