"""The little of curl that Cloud Wiki uses, for a demo host on a machine without curl. Standard library only."""

import argparse
import sys
import time
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

REFUSED, TIMEOUT, UNREADABLE, USAGE = 7, 28, 56, 2  # curl's own exit codes


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_request: object) -> None:
        return None


def main(arguments: list[str]) -> int:
    """Ask the URL; prints the body and what --write-out wants. Returns curl's exit code."""
    parser = argparse.ArgumentParser(prog="curl", exit_on_error=False, allow_abbrev=False)
    for flags in (["-q"], ["-s", "--silent"], ["-S", "--show-error"], ["--globoff"]):
        parser.add_argument(*flags, action="store_true")
    for flags in (
        ["--noproxy"],
        ["--proto"],
        ["--user-agent"],
        ["--dump-header"],
        ["-o", "--output"],
        ["-w", "--write-out"],
    ):
        parser.add_argument(*flags, default="")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--data-binary", choices=["@-"])
    parser.add_argument("--max-time", type=float, default=60.0)
    parser.add_argument("url")
    try:
        options = parser.parse_args(arguments)
    except argparse.ArgumentError as error:
        print(f"curl (demo): {error}", file=sys.stderr)
        return USAGE
    started = time.monotonic()
    body = sys.stdin.buffer.read() if options.data_binary else None
    pairs = (line.partition(":") for line in options.header)
    headers = {name: value.strip() for name, _colon, value in pairs if value.strip()}  # without a value: not sent
    code, status = _ask(_request(options.url, body, headers), options.max_time, options.output)
    if options.dump_header and status:
        Path(options.dump_header).write_text(f"HTTP/1.1 {status}\r\n")
    report = options.write_out.replace("\\n", "\n").replace("%{http_code}", f"{status:03d}")
    report = report.replace("%{time_total}", f"{time.monotonic() - started:.6f}")
    sys.stdout.write(report)
    return code


def _request(url: str, body: bytes | None, headers: dict[str, str]) -> Request:
    if not url.startswith(("http://", "https://")):
        url = f"http://{url}"
    return Request(url, data=body, headers=headers)  # noqa: S310 HTTP alone, as of the lines above


def _ask(request: Request, limit: float, output: str) -> tuple[int, int]:
    try:
        with build_opener(ProxyHandler({}), _Stay()).open(request, timeout=limit) as answer:
            status = int(answer.status)
            _keep(answer, output)
    except HTTPError as error:
        _keep(error, output)
        return 0, int(error.code)
    except TimeoutError:
        return TIMEOUT, 0
    except OSError as error:
        timed_out = isinstance(getattr(error, "reason", None), TimeoutError)
        if "-s" not in sys.argv:
            print(f"curl: (7) {error}", file=sys.stderr)
        return (TIMEOUT if timed_out else REFUSED), 0
    return 0, status


def _keep(answer: object, output: str) -> None:
    source: BinaryIO = answer  # type: ignore[assignment]
    if output not in {"", "-"}:
        with Path(output).open("wb") as file:
            file.write(source.read())
        return
    sys.stdout.buffer.write(source.read())
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
