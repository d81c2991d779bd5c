"""Cut the emulator's copy of RunPod's API description out of the whole one.

    python tests/emulators/runpod/pin.py path/to/openapi.json

The whole one is at https://api.runpod.io/v2/openapi.json. Kept are the paths that the emulator serves and every
schema they reach; prose and examples go, so that a renewed copy differs only where the contract does.
"""

import json
import sys
from pathlib import Path
from typing import Any

PINNED = Path(__file__).with_name("openapi-v2.json")
PATHS = ("/v2/serverless", "/v2/catalog/gpus", "/v2/billing/serverless")
PROSE = {"description", "summary", "title", "example"}  # dropped where they are text
EXAMPLES = {"examples", "x-codeSamples", "x-enum-varnames"}


def cut(whole: dict[str, Any]) -> dict[str, Any]:
    """The part of `whole` that the emulator needs, with its version."""
    paths = {path: item for path, item in whole["paths"].items() if path.startswith(PATHS)}
    kept: dict[str, Any] = {
        "openapi": whole["openapi"],
        "info": {"version": whole["info"]["version"]},
        "paths": paths,
        "components": {},
    }
    for reference in sorted(reached(whole, paths)):
        _, _, family, name = reference.split("/")
        kept["components"].setdefault(family, {})[name] = whole["components"][family][name]
    return without_prose(kept)


def reached(whole: dict[str, Any], start: Any) -> set[str]:
    """Every reference below `start`, and below what they refer to."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            reference = part.get("$ref")
            if isinstance(reference, str) and reference not in found:
                found.add(reference)
                _, _, family, name = reference.split("/")
                waiting.append(whole["components"][family][name])
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return found


def without_prose(part: Any) -> Any:
    if isinstance(part, list):
        return [without_prose(entry) for entry in part]
    if not isinstance(part, dict):
        return part
    return {
        key: without_prose(value)
        for key, value in part.items()
        if key not in EXAMPLES and not (key in PROSE and not isinstance(value, dict))
    }


if __name__ == "__main__":
    PINNED.write_text(json.dumps(cut(json.loads(Path(sys.argv[1]).read_text())), indent=1) + "\n")
