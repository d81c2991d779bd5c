"""What the tests of the client create."""

from typing import Any

from releases.gpu.nouns import EndpointSpec, Question, Scaling, ScalingKind

MODEL = "our-model"
SECRET = "hf_a-secret-of-the-release"


def spec(**changes: Any) -> EndpointSpec:
    fields: dict[str, Any] = {
        "name": "qwen",
        "image": "runpod/worker-v1-vllm:v2.25.2",
        "env": {"MODEL_NAME": "Qwen/Qwen2.5-7B-Instruct", "OPENAI_SERVED_MODEL_NAME_OVERRIDE": MODEL, "TOKEN": SECRET},
        "pools": ("AMPERE_24",),
        "excluded_types": ("NVIDIA RTX A5000", "NVIDIA GeForce RTX 3090"),
        "min_cuda": "13.0",
        "disk_gb": 60,
        "max_workers": 2,
        "idle_timeout": 30,
        "execution_timeout": 300,
        "scaling": Scaling(ScalingKind.QUEUE_DELAY, 4),
    }
    return EndpointSpec(**{**fields, **changes})


def question(**changes: Any) -> Question:
    return Question(**{"model": MODEL, "text": "What is 2 + 3?", **changes})
