"""The form of a release's GPU part: what is shipped to graphics cards. It holds no secret, only names of them."""

from collections.abc import Iterable
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.actions import gpu_words
from releases.endpoints import specs
from releases.gpu import policy
from releases.gpu.policy import Policy
from releases.models import GpuSpec, Project, Variable
from releases.views.careful_forms import CarefulForm
from releases.views.gpu_fields import POOL, ListField, PairsField, looks_secret, without_secrets
from releases.views.grouped_forms import Group

WORKER: Final = "runpod/worker-v1-vllm"
DEFAULT_IMAGE: Final = f"{WORKER}:v2.25.2"
MUCH: Final = 2**31 - 1
NO_LIMITS: Final = Policy(max_workers=MUCH, idle_timeout=MUCH, execution_timeout=MUCH, allow_always_on=True)
ANYWHERE: Final = ("method", "model", "served_name")
VARIABLES: Final = {"env", "secret_env"}
RESERVED: Final = {
    "MODEL_NAME": "model",
    "MODEL_REVISION": "revision",
    "OPENAI_SERVED_MODEL_NAME_OVERRIDE": "served_name",
    "MAX_MODEL_LEN": "max_model_len",
    "GPU_MEMORY_UTILIZATION": "gpu_memory_utilization",
    "RUNPOD_INIT_TIMEOUT": "init_timeout",
}  # variables that a field sets
FIELD_OF: Final = {"scaling": "scaling_value"}  # where a problem of the spec is told
GROUPS: Final = (
    Group(
        gettext_lazy("What runs"),
        ("method", "image", "model", "served_name", "revision"),
        gettext_lazy(
            "vLLM worker: RunPod's image serves the model. Custom handler: your own image, with your code around it."
            " Own server: it runs on a host of yours already, so only its model is named here."
        ),
    ),
    Group(
        gettext_lazy("How it is loaded"),
        ("max_model_len", "gpu_memory_utilization", "init_timeout", "disk_gb"),
        gettext_lazy(
            "What does not fit the card ends the worker at its start, again and again, and each start is paid for."
        ),
        css="cloud",
    ),
    Group(
        gettext_lazy("On which cards"),
        ("pools", "excluded_types", "gpu_count", "min_cuda"),
        gettext_lazy(
            "RunPod gives pools, not cards: any card of a pool may come, also one that joins it later. To get a certain"
            " card, name its pool and exclude the others in it."
        ),
        css="cloud",
    ),
    Group(
        gettext_lazy("How many workers, and for how long"),
        ("min_workers", "max_workers", "idle_timeout", "execution_timeout", "scaling", "scaling_value", "flashboot"),
        gettext_lazy("What it costs at worst is the price of a worker times the workers at most, day and night."),
        css="cloud",
    ),
    Group(gettext_lazy("Variables"), ("env", "secret_env"), css="cloud"),
)
COLUMNS: Final = tuple(name for group in GROUPS for name in group.fields)


class GpuSpecForm(CarefulForm[GpuSpec]):
    """What a release ships to cards. What could never run is refused here, at its field."""

    pools = ListField(
        label=gettext_lazy("Pools of cards"),
        allowed=POOL,
        help_text=gettext_lazy(
            "One a line: AMPERE_24 (L4, RTX A5000, RTX 3090, with 24 GB each) or ADA_24 (RTX 4090)."
        ),
    )
    excluded_types = ListField(
        label=gettext_lazy("Cards of these that must not be used"),
        help_text=gettext_lazy(
            "One a line, as the provider calls them. For an L4 alone out of AMPERE_24: NVIDIA RTX A5000 and"
            " NVIDIA GeForce RTX 3090."
        ),
    )
    env = PairsField(
        label=gettext_lazy("More variables"),
        rows=4,
        help_text=gettext_lazy(
            "One a line, such as MAX_NUM_SEQS=32. Everybody who sees the release reads them: no secrets."
        ),
    )
    secret_env = PairsField(
        label=gettext_lazy("Secret variables"),
        help_text=gettext_lazy(
            "One a line, such as HF_TOKEN=hf_token: the variable, and which secret of the environment it gets."
        ),
    )

    class Meta:
        model = GpuSpec
        fields = COLUMNS
        labels = {"scaling_value": gettext_lazy("Threshold")}
        help_texts = {
            "image": gettext_lazy(
                "With a fixed tag, since workers that start later must run the same. Empty with the vLLM worker:"
                " runpod/worker-v1-vllm:v2.25.2."
            ),
            "model": gettext_lazy("As on Hugging Face, such as Qwen/Qwen2.5-7B-Instruct; MODEL_NAME in the worker."),
            "served_name": gettext_lazy(
                "What clients send as “model”. Keep it the same from release to release: then a switch changes nothing"
                " for them. Empty: the model's own name."
            ),
            "revision": gettext_lazy(
                "The commit of the model's repository. Without it, a worker that starts after a change there loads"
                " other weights, and a rollback may not bring the old ones back."
            ),
            "max_model_len": gettext_lazy(
                "Tokens of question and answer together. More of them need more of the card's memory. Empty: the"
                " model's own maximum."
            ),
            "gpu_memory_utilization": gettext_lazy(
                "How much of the card's memory vLLM takes, from 0.05 to 1. What is left is for the driver and the rest:"
                " with too little, starts fail."
            ),
            "init_timeout": gettext_lazy(
                "Later, the provider takes a starting worker for broken. Its own limit is 420; a model of 15 GB takes"
                " some minutes to load."
            ),
            "disk_gb": gettext_lazy("The image and the model must fit on it."),
            "min_cuda": gettext_lazy(
                "The vLLM worker from v2.24 on needs 13.0: on a machine with an older driver it ends at its start."
                " Fewer machines have it. Empty: any, for an image of your own."
            ),
            "min_workers": gettext_lazy(
                "0 lets it sleep at no cost; the first request after that waits for a cold start."
            ),
            "max_workers": gettext_lazy("The maxima of all endpoints of the account together count against its quota."),
            "idle_timeout": gettext_lazy("A worker waits so long for the next request, at full price. 1 to 3600."),
            "execution_timeout": gettext_lazy("Longer ones are ended, and counted as failed."),
            "scaling_value": gettext_lazy("Seconds, 0.5 or more; or requests, a whole number from 1."),
            "flashboot": gettext_lazy("Brings a worker back faster that ended a short while ago."),
        }

    def __init__(self, project: Project, *arguments: Any, **named: Any) -> None:
        self._project = project
        super().__init__(*arguments, **named)
        self.fields["image"].widget.attrs["placeholder"] = DEFAULT_IMAGE
        method = self.data.get("method", GpuSpec.Method.VLLM)
        self.fields["model"].required = method != GpuSpec.Method.HANDLER  # that may serve none
        self.fields["pools"].required = method != GpuSpec.Method.SELF_HOSTED

    def clean(self) -> dict[str, Any]:
        """What the method needs is there, and the whole could run."""
        values = super().clean() or {}
        method = values.get("method")
        if method == GpuSpec.Method.SELF_HOSTED:
            self._leave_the_rest_out(values)
        elif method == GpuSpec.Method.VLLM:
            values["image"] = values.get("image") or DEFAULT_IMAGE
        elif method == GpuSpec.Method.HANDLER:
            self._require_own_image(values.get("image", ""))
        self._refuse_wrong_variables(values)
        if not set(self.errors) - VARIABLES:
            self._refuse_impossible(values | {name: {} for name in VARIABLES & set(self.errors)})
        return values

    def _leave_the_rest_out(self, values: dict[str, Any]) -> None:
        """An own server is started by its own means: nothing else of the form counts, nor what is wrong with it."""
        nothing = GpuSpec()
        for name in set(COLUMNS) - set(ANYWHERE):
            self.errors.pop(name, None)
            values[name] = getattr(nothing, name)

    def _require_own_image(self, image: str) -> None:
        if "image" in self.errors:
            return
        if not image or image.partition(":")[0].partition("@")[0] == WORKER:
            self.add_error("image", _("A custom handler needs an image of your own, not the vLLM worker's."))

    def _refuse_wrong_variables(self, values: dict[str, Any]) -> None:
        plain, hidden = values.get("env") or {}, values.get("secret_env") or {}
        self._refuse("env", [*self._reserved(plain), *_twice(plain, hidden)])
        self._refuse("secret_env", [*self._reserved(hidden), *self._unknown_secrets(hidden)])
        for name in ("env", "secret_env"):
            self._refuse_secrets(name)

    def _reserved(self, given: dict[str, str]) -> list[str]:
        """Variables that a field of the form sets."""
        sentence = _("%(variable)s is set by the field “%(field)s”. Remove the line and use that.")
        return [
            sentence % {"variable": name, "field": self.fields[RESERVED[name]].label}
            for name in given
            if name in RESERVED
        ]

    def _unknown_secrets(self, hidden: dict[str, str]) -> list[str]:
        """Names that are no secret variable of any environment of the project."""
        rows = Variable.objects.filter(environment__project=self._project, is_secret=True, name__in=hidden.values())
        known = set(rows.values_list("name", flat=True))
        sentence = _(
            "%(variable)s: no environment has a secret called “%(secret)s”. Set it there, or correct the name."
        )
        return [
            sentence % {"variable": variable, "secret": secret[:60]}
            for variable, secret in hidden.items()
            if secret not in known
        ]

    def _refuse_secrets(self, name: str) -> None:
        """A key that was pasted is refused, and does not come back in the page."""
        text = str(self.data.get(self.add_prefix(name), ""))
        if name not in self.fields or not looks_secret(text) or self.cleaned_data.get("method") == "self_hosted":
            return
        self.data = {key: self.data[key] for key in self.data} | {self.add_prefix(name): without_secrets(text)}
        self.errors.pop(name, None)  # it may repeat the key
        sentence = _(
            "A value here looks like a secret key; it was left out. Store it as a secret variable of the environment,"
            " and name that under “Secret variables”: HF_TOKEN=hf_token."
        )
        self.add_error(name, sentence)

    def _refuse_impossible(self, values: dict[str, Any]) -> None:
        """What no provider could run, told where it is set."""
        if values["method"] == GpuSpec.Method.SELF_HOSTED:
            return
        plain = specs.written(GpuSpec(**{name: values[name] for name in COLUMNS}))
        for problem in policy.check(specs.without_secrets(plain, "new"), NO_LIMITS):
            field = FIELD_OF.get(problem.field, problem.field)
            self.add_error(field if field in self.fields else None, gpu_words.problem(problem))

    def _refuse(self, name: str, reasons: Iterable[str]) -> None:
        for reason in reasons:
            self.add_error(name, reason)


def _twice(plain: dict[str, str], hidden: dict[str, str]) -> list[str]:
    return [_("%s is set as a secret, too; keep one of them.") % name for name in plain if name in hidden]
