"""Names as providers tell them, made fit to be kept and shown."""

import pytest

from cella.identity.names import fit_email, fit_line, fit_username


@pytest.mark.parametrize(
    ("wishes", "name"),
    [
        (("ada",), "ada"),
        (("ada.l+x@studio-1_2",), "ada.l+x@studio-1_2"),
        (("Zoë Ω 京",), "Zoë-Ω-京"),
        (("ｆｕｌｌ",), "full"),
        (("ﬁ",), "fi"),
        (("a/b\\c\0d'e\"f<g>",), "a-b-cd-e-f-g"),
        (("../../etc",), "..-..-etc"),
        (("-- --", "  ", "second"), "second"),
        (("\u202eada\u200b",), "ada"),
        ((), "user"),
        (("", "!!!"), "user"),
        (("x" * 500,), "x" * 64),
    ],
)
def test_user_names(wishes: tuple[str, ...], name: str) -> None:
    assert fit_username(*wishes) == name


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("  Ada\t Lovelace ", "Ada Lovelace"),
        ("A\r\nB", "AB"),
        ("A\u2028B\u0000\ue000", "AB"),
        ("x" * 127 + " y", "x" * 127),
        ("", ""),
    ],
)
def test_lines(text: str, line: str) -> None:
    assert fit_line(text) == line


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ada@studio.example", "ada@studio.example"),
        (" ada@studio.example ", "ada@studio.example"),
        *((text, "") for text in ("", "ada", "a b@c", "a@b@c", "a\n@b", "a@" + "b" * 200, "\0@b")),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert fit_email(text) == address
