"""What the proxy says by itself is plain: it loads nothing, and its policy lets its own style through."""

import base64
import hashlib
import re
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def test_the_page_of_a_proxy_alone_keeps_its_style_and_loads_nothing() -> None:
    page = (DEPLOY / "away.html").read_text()
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in (DEPLOY / "Caddyfile").read_text()
    assert not re.search(r"src=|href=|url\(|@import|<script|style=", page)
    assert '<html lang="ko">' in page and '<section lang="en">' in page
