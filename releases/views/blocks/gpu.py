"""The ways to deploy a model (2.5.1), with the cold starts that were measured."""

from typing import Any, Final

from django.db.models import Avg, Count
from django.utils.translation import gettext as _

from releases.models import GpuProof, GpuSpec, Project
from releases.views.blocks import Block


def methods(project: Project) -> dict[str, Any]:
    """Both ways: what they are, where the model lies, how long a cold start took, what each is good for."""
    cold = dict(
        GpuProof.objects.filter(endpoint__environment__project=project, passed=True, was_cold=True)
        .values("endpoint__release__gpu__method")
        .annotate(middle=Avg("first"))
        .values_list("endpoint__release__gpu__method", "middle")
    )
    used = dict(
        GpuSpec.objects.filter(release__project=project)
        .values("method")
        .annotate(count=Count("pk"))
        .values_list("method", "count")
    )
    rows = [
        {
            "name": GpuSpec.Method.VLLM.label,
            "what": _("a worker that RunPod has built"),
            "place": _("RunPod's cache"),
            "path": "/runpod-volume/huggingface-cache/",
            "cold": cold.get("vllm"),
            "used": used.get("vllm", 0),
            "good_for": _("a first version, quick tests"),
        },
        {
            "name": GpuSpec.Method.HANDLER.label,
            "what": _("a Docker image with the model in it"),
            "place": _("a path in the image"),
            "path": "/models/",
            "cold": cold.get("handler"),
            "used": used.get("handler", 0),
            "good_for": _("production, where own logic is needed"),
        },
    ]
    return {"rows": rows}


BLOCKS: Final[dict[str, Block]] = {
    "gpu_methods": Block(lambda: _("Ways to deploy a model"), methods, "blocks/gpu_methods.html"),
}
