"""A log with colours and a progress bar, and the answer of the address that reads it."""

import base64
from typing import Any

LOG = """\x1b[2m$\x1b[0m sudo systemctl start spring-boot
  .   ____          _            __ _ _
 /\\\\ / ___'_ __ _ _(_)_ __  __ _ \\ \\ \\ \\
( ( )\\___ | '_ | '_| | '_ \\/ _` | \\ \\ \\ \\
 \x1b[32m:: Spring Boot ::\x1b[0m                \x1b[2m(v3.5.7)\x1b[0m
\x1b[32mINFO\x1b[0m  \x1b[35m18342\x1b[0m \x1b[2m---\x1b[0m \x1b[36mc.wiki.App\x1b[0m : Starting with profile "prod"
\x1b[32mINFO\x1b[0m  \x1b[35m18342\x1b[0m \x1b[2m---\x1b[0m \x1b[36mcom.hikari\x1b[0m : HikariPool-1 - Starting...
\x1b[33mWARN\x1b[0m  \x1b[35m18342\x1b[0m \x1b[2m---\x1b[0m \x1b[36mcom.hikari\x1b[0m : HikariPool-1 took 912 ms
\x1b[31mERROR\x1b[0m \x1b[35m18342\x1b[0m \x1b[2m---\x1b[0m 한글 오류 <script>alert(1)</script> & 'quotes'
10%\r40%\r\x1b[1m100%\x1b[0m done
\x1b[34mhttps://example.test\x1b[0m \x1b[4munderlined\x1b[0m
"""


def log_answer(text: bytes, from_line: int, count: int, *, complete: bool = False) -> dict[str, Any]:
    """The answer of the lines URL for a log of these bytes."""
    lines = text.splitlines(keepends=True) if b"\r" not in text else text.split(b"\n")
    if b"\r" in text:
        lines = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    chosen = lines[from_line - 1 : from_line - 1 + count]
    return {
        # Without their newlines, as the store gives them.
        "lines": [
            {
                "n": from_line + place,
                "at": "2026-11-24T17:13:53.412Z",
                "data": base64.b64encode(line.removesuffix(b"\n")).decode(),
            }
            for place, line in enumerate(chosen)
        ],
        "total_lines": len(lines),
        "size": len(text),
        "complete": complete,
    }
