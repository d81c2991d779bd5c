"""The model that answers: as vLLM behind worker-vllm does, only always the same."""

import re
from collections.abc import Mapping
from typing import Any

DEFAULT_MODEL = "facebook/opt-125m"
SHORT = 16  # tokens of an answer when the request sets no max_tokens
GOLDEN = {"capital of france": "The capital of France is Paris.", "say ok": "OK"}
NONSENSE = "Lorem ipsum dolor sit amet."
SUM = re.compile(r"(\d+)\s*\+\s*(\d+)")


class EngineError(Exception):
    """The job fails, with this text as its error."""


def served(env: Mapping[str, str]) -> str:
    """The name that requests must use."""
    return env.get("OPENAI_SERVED_MODEL_NAME_OVERRIDE") or env.get("MODEL_NAME") or DEFAULT_MODEL


def handle(env: Mapping[str, str], given: Mapping[str, Any], nonsense: bool) -> list[dict[str, Any]]:
    """What worker-vllm's handler makes of a job's input: a list with one answer. Raises EngineError."""
    if "openai_route" in given:
        return [answer(env, str(given["openai_route"]), given.get("openai_input") or {}, nonsense)]
    if "route" in given:
        return [answer(env, str(given["route"]), given.get("body") or {}, nonsense)]
    sampling = {"model": served(env), **(given.get("sampling_params") or {})}
    if "messages" in given:
        return [answer(env, "/v1/chat/completions", {**sampling, "messages": given["messages"]}, nonsense)]
    if "prompt" in given:
        return [answer(env, "/v1/completions", {**sampling, "prompt": given["prompt"]}, nonsense)]
    raise EngineError("input has none of: openai_route, route, messages, prompt")


def answer(env: Mapping[str, str], route: str, body: Mapping[str, Any], nonsense: bool) -> dict[str, Any]:
    """The reply of an OpenAI route. Raises EngineError."""
    name = served(env)
    if route.endswith("/models"):
        return {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "vllm"}]}
    if body.get("model") != name:
        message = f"The model `{body.get('model')}` does not exist."
        # The handler turns the reply of vLLM into text, and not into JSON.
        raise EngineError(str({"message": message, "type": "NotFoundError", "param": "model", "code": 404}))
    chat = route.endswith("/chat/completions")
    if not chat and not route.endswith("/completions"):
        raise EngineError(f"no route {route}")
    prompt = _last(body.get("messages") or []) if chat else str(body.get("prompt", ""))
    text, cut = _shorten(NONSENSE if nonsense else say(prompt), body)
    choice = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {
        "id": "cmpl-emulated",
        "object": "chat.completion" if chat else "text_completion",
        "created": 0,
        "model": name,
        "choices": [{"index": 0, **choice, "finish_reason": "length" if cut else "stop"}],
        "usage": _usage(prompt, text),
    }


def say(prompt: str) -> str:
    """The answer to a prompt: sums are worked out, two questions are known, anything else comes back."""
    if found := SUM.search(prompt):
        return f"{found[1]} + {found[2]} = {int(found[1]) + int(found[2])}"
    for question, known in GOLDEN.items():
        if question in prompt.lower():
            return known
    return f"You said: {prompt}"


def _last(messages: list[dict[str, Any]]) -> str:
    """What the user said last, also when it comes in parts."""
    said = messages[-1].get("content", "") if messages else ""
    return "".join(part.get("text", "") for part in said) if isinstance(said, list) else str(said)


def _shorten(text: str, body: Mapping[str, Any]) -> tuple[str, bool]:
    """The text within the request's limit, and whether it was cut. A token is a word here."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or SHORT
    words = text.split(" ")
    return " ".join(words[:limit]), len(words) > limit


def _usage(prompt: str, text: str) -> dict[str, int]:
    asked, said = len(prompt.split()), len(text.split())
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
