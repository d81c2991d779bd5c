"""The request of a probe and its answer, in the form that vLLM's OpenAI routes have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .errors import UnknownModel
from .nouns import Job, ProbeAnswer, Question
from .problems import unknown_model

CHAT_ROUTE = "/v1/chat/completions"
NOTHING_SAID = "The answer holds no text."


def chat(question: Question) -> dict[str, Any]:
    return {
        "model": question.model,
        "messages": [{"role": "user", "content": question.text}],
        "max_tokens": question.max_tokens,
        "temperature": 0,
        "stream": False,
    }


def chat_job(question: Question) -> dict[str, Any]:
    """The same as a job for worker-vllm, or the question's own payload, with the limits of time in ms."""
    return {
        "input": question.payload or {"openai_route": CHAT_ROUTE, "openai_input": chat(question)},
        "policy": {
            "executionTimeout": round(question.execution_timeout * 1000),
            "ttl": round(question.time_to_live * 1000),
        },
    }


def read(answer: Any, seconds: float, job: Job | None = None) -> ProbeAnswer:
    """What a completion says. worker-vllm wraps it in a list. Raises UnknownModel; anything odd is an `error`."""
    while isinstance(answer, list) and answer:
        answer = answer[0]
    if not isinstance(answer, Mapping):
        return ProbeAnswer("", NOTHING_SAID, seconds, job=job)
    if error := answer.get("error") or (answer.get("message") if answer.get("object") == "error" else None):
        return failed(error.get("message", error) if isinstance(error, Mapping) else error, seconds, job)
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    message = choice.get("message") if isinstance(choice, Mapping) else None
    text = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(text, str) or not text.strip():
        return ProbeAnswer("", NOTHING_SAID, seconds, job=job)
    model = answer.get("model")
    cut = choice.get("finish_reason") == "length"
    return ProbeAnswer(text, "", seconds, cut=cut, model=model if isinstance(model, str) else "", job=job)


def read_any(output: Any, seconds: float, job: Job | None = None) -> ProbeAnswer:
    """What a handler with a language of its own answers: the text of a completion, else all of it as JSON."""
    if isinstance(output, str) and output.strip():
        return ProbeAnswer(output, "", seconds, job=job)
    found = read(output, seconds, job)
    if found.error != NOTHING_SAID or output in (None, {}, [], ""):
        return found
    return ProbeAnswer(json.dumps(output, ensure_ascii=False), "", seconds, job=job)


def failed(error: Any, seconds: float, job: Job | None = None) -> ProbeAnswer:
    """Raises UnknownModel if that is what the text says."""
    said = str(error)
    if unknown_model(said):
        raise UnknownModel(f"The server answered: {said}")
    return ProbeAnswer("", said, seconds, job=job)
