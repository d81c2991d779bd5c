"""What the GPU layer says, in the reader's language: that layer speaks plain English and knows no gettext.

Words are found by code, and hold the same facts as the English ones. Of an error, the English message follows as the
detail, since it holds what the provider itself said.
"""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from releases.actions import gpu_error_words, gpu_rule_words
from releases.gpu.errors import GpuError
from releases.gpu.nouns import Phase, Readiness
from releases.gpu.policy import Problem

# Of the fields of an EndpointSpec, as in the form of a release's GPU part.
FIELDS: Final[dict[str, Promise]] = {
    "name": _("name of the endpoint"),
    "image": _("image"),
    "env": _("variables"),
    "pools": _("pools of cards"),
    "excluded_types": _("cards of these that must not be used"),
    "gpu_count": _("cards a worker"),
    "min_cuda": _("CUDA at least"),
    "disk_gb": _("disk (GB)"),
    "min_workers": _("workers at least"),
    "max_workers": _("workers at most"),
    "idle_timeout": _("idle for (seconds)"),
    "execution_timeout": _("a request may take (seconds)"),
    "scaling": _("another worker when"),
    "flashboot": _("fast start (FlashBoot)"),
}
_PHASES: Final[dict[Phase, Promise]] = {
    Phase.READY: pgettext_lazy("GPU endpoint", "Ready"),
    Phase.COLD: pgettext_lazy("GPU endpoint", "Starting"),
    Phase.ASLEEP: pgettext_lazy("GPU endpoint", "Asleep (no worker)"),
    Phase.STOPPED: pgettext_lazy("GPU endpoint", "Stopped"),
    Phase.CAPACITY: pgettext_lazy("GPU endpoint", "No free card"),
    Phase.CRASH_LOOP: pgettext_lazy("GPU endpoint", "Crash loop"),
    Phase.BROKEN_IMAGE: pgettext_lazy("GPU endpoint", "Broken image"),
    Phase.DOWN: pgettext_lazy("GPU endpoint", "Not answering"),
}
_STARTING: Final = _("Workers starting: %(initializing)d, since %(waited)d s at most.")
_REASONS: Final[dict[str, Promise]] = {
    "unhealthy": _("Workers unhealthy: %(unhealthy)d of %(total)d. They crash or hang."),
    "forbidden": _("The maximum of workers is 0; requests waiting: %(in_queue)d."),
    "ready": _("Workers ready: %(ready)d; requests being answered: %(in_progress)d."),
    "not_taken_yet": _("Workers ready: %(ready)d; requests waiting: %(in_queue)d; none is being answered yet."),
    "not_taken": _("Workers ready: %(ready)d; requests waiting: %(in_queue)d; none was answered in %(waited)d s."),
    "starting": _STARTING,
    "starting_slowly": _STARTING,
    "throttled": _("Workers waiting for a free card: %(throttled)d."),
    "asleep": _("No worker, and no request."),
    "no_worker_yet": _("No worker yet; requests waiting: %(waiting)d."),
    "no_worker": _("No worker after %(waited)d s; requests waiting: %(waiting)d."),
    "server_serves": _("%(name)s serves %(model)s."),
    "server_starting": _("The server is there, and does not answer as it should yet (%(detail)s)."),
    "server_down": _("The server can't be asked (%(detail)s)."),
    "server_empty": _("%(name)s serves no model; it should serve %(model)s."),
    "server_other_model": _("%(name)s serves %(served)s, not %(model)s."),
}
_ADVICE: Final[dict[Phase, Promise]] = {
    Phase.READY: _("Nothing to do. Ask it something: only an answer proves that the model works."),
    Phase.COLD: _("Wait: image and model are loaded. Minutes are normal the first time."),
    Phase.ASLEEP: _("Nothing to do: the first request starts a worker, and waits for it."),
    Phase.STOPPED: _("Raise the maximum of workers. RunPod sets it to 0 by itself after a week without requests."),
    Phase.CAPACITY: _("Wait, or allow another pool of cards or exclude fewer: none of those asked for is free."),
    Phase.CRASH_LOOP: _(
        "Stop it now, since crashing may cost money, and read the worker's log: the usual causes are too "
        "little memory for the model, a wrong variable, or a card with too old a CUDA."
    ),
    Phase.BROKEN_IMAGE: _(
        "Stop it and give the release up: the image starts, and its handler does not ask for jobs. "
        "Check that the image is one for the queue of this provider, and its start command."
    ),
    Phase.DOWN: _("Look at the server on its machine: is it running, and with this model?"),
}
# What some reasons advise in place of what their phase does.
_SPECIAL_ADVICE: Final[dict[str, Promise]] = {
    "starting_slowly": _(
        "This takes longer than RunPod waits for a start unless told otherwise. Set RUNPOD_INIT_TIMEOUT (s) in the "
        "release's variables, or use a smaller model or image."
    ),
}


def told(error: GpuError) -> str:
    """What went wrong and what to do about it, in the language active now."""
    summary, usual = gpu_error_words.WORDS.get(error.code, gpu_error_words.WORDS["gpu_error"])
    special = "" if error.mend == type(error).mend else gpu_error_words.SPECIAL.get(error.mend) or error.mend
    mend = special or usual
    return f"{summary} ({error.message.rstrip('.')}) {mend}".strip()


def phase(found: Phase) -> str:
    """A word or two for what an endpoint is up to."""
    return str(_PHASES[found])


def readiness(found: Readiness) -> tuple[str, str]:
    """What was seen of an endpoint, and what to do about it."""
    advice = _SPECIAL_ADVICE.get(found.code) or _ADVICE[found.phase]
    return str(_REASONS[found.code]) % found.facts, str(advice)


def problem(found: Problem) -> str:
    """What is wrong with a spec, and what to do about it."""
    message, mend = gpu_rule_words.WORDS[found.code]
    return f"{str(message) % found.facts} {str(mend) % found.facts}"
