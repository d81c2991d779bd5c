"""Texts of runbooks on a page: code is set as code, and nothing of them is markup."""

import pytest

from releases.templatetags.texts import coded


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Build (`npm run build`)", "Build (<code>npm run build</code>)"),
        ("`<b>` & <script>", "<code>&lt;b&gt;</code> &amp; &lt;script&gt;"),
        ("one ` alone", "one ` alone"),
        ("{0} `{x}`", "{0} <code>{x}</code>"),
    ],
)
def test_backticks_become_code_and_the_rest_is_escaped(text: str, html: str) -> None:
    assert coded(text) == html
