"""Proving that an endpoint answers, by its own address: cold, then warm, then several at once.

While the first answer is waited for, the workers are looked at: a crash loop or a broken image ends the waiting at
once, with what it is, and so does a card that is not to be had within its own time.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Final

import regex
from django.conf import settings
from django.utils.translation import gettext as _

from releases.gpu.errors import GpuError, Stopped
from releases.gpu.nouns import Phase, ProbeAnswer, Question, Readiness, Way
from releases.gpu.patience import Stop, never
from releases.gpu.provider import Provider

HOPELESS_LOOKS: Final = 3  # in a row before a crash loop or broken image ends the waiting
PATTERN_SECONDS: Final = 2.0
SHOWN: Final = 200  # characters of an answer in the log

Say = Callable[[str], None]


class NotProved(Exception):
    """It does not answer as it should. `str()` is a translated sentence with the mend."""


@dataclass(frozen=True)
class Prompt:
    """A question whose answer is known: `matches` is a regular expression, "" for any answer."""

    text: str
    matches: str = ""
    max_tokens: int = 64
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Exam:
    """What is asked, and how long each part may take in seconds. `capacity_limit`: until some card is there."""

    model: str
    prompts: Sequence[Prompt]
    cold_limit: float = 900
    capacity_limit: float = 600
    warm: int = 2
    warm_limit: float = 60
    at_once: int = 4
    way: Way = Way.CHAT


@dataclass
class Result:
    """What came of it; times in seconds. Its fields are columns of a GpuProof."""

    was_cold: bool = False
    first: float | None = None
    warm: float | None = None
    together: float | None = None
    at_once: int = 0


class Examiner:
    """One exam of one endpoint. `words`: reason and advice of a readiness in the reader's language."""

    def __init__(
        self,
        provider: Provider,
        ref: str,
        exam: Exam,
        say: Say,
        words: Callable[[Readiness], tuple[str, str]],
        stop: Stop = never,
    ) -> None:
        self._provider, self._ref, self._exam = provider, ref, exam
        self._say, self._words, self._stop = say, words, stop
        self._given_up = threading.Event()
        self.result = Result()

    def run(self) -> Result:
        """Ask it. Raises NotProved, GpuError for what never arrived, Stopped when told to stop."""
        exam, result = self._exam, self.result
        result.was_cold = not self._provider.capabilities.scaling or self._provider.workers(self._ref).ready == 0
        answer = self._first()
        result.first = answer.seconds
        self._judge(exam.prompts[0], answer, exam.cold_limit)
        asked = max(exam.warm, len(exam.prompts))  # every prompt is asked, however few repeats are wanted
        result.warm = max((self._warm(number) for number in range(asked)), default=None)
        if exam.at_once > 1:
            result.together = self._together()
            result.at_once = exam.at_once
        return result

    # Cold

    def _first(self) -> ProbeAnswer:
        """The first answer, watched while it is waited for."""
        question = self._question(self._exam.prompts[0], self._exam.cold_limit, Way.QUEUE)
        provider = self._provider.within(self._exam.cold_limit, lambda: self._given_up.is_set() or self._stop())
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(provider.probe, self._ref, question)
            try:
                self._watch(asked)
            finally:
                self._given_up.set()
        return asked.result()

    def _watch(self, asked: Future[ProbeAnswer]) -> None:
        began, hopeless, last = time.monotonic(), 0, ""
        while not wait([asked], settings.GPU_LOOK_SECONDS).done:
            if self._stop():
                return
            waited = time.monotonic() - began
            found = self._looked(waited)
            if found is None:
                continue
            if found.phase != last:
                last = found.phase
                self._say(f"{waited:4.0f} s  {self._words(found)[0]}")
            hopeless = hopeless + 1 if found.hopeless else 0
            if hopeless >= HOPELESS_LOOKS or (found.phase == Phase.CAPACITY and waited > self._exam.capacity_limit):
                raise NotProved(" ".join(self._words(found)))

    def _looked(self, waited: float) -> Readiness | None:
        """What its workers do; None while the provider does not say."""
        try:
            return self._provider.readiness(self._ref, waited)
        except Stopped:
            return None
        except GpuError as error:
            self._say(error.message)
            return None

    # Warm

    def _warm(self, number: int) -> float:
        prompt = self._exam.prompts[number % len(self._exam.prompts)]
        answer = self._ask(prompt)
        self._judge(prompt, answer, self._exam.warm_limit, _("asked again"))
        return answer.seconds

    def _together(self) -> float:
        prompts = [self._exam.prompts[n % len(self._exam.prompts)] for n in range(self._exam.at_once)]
        with ThreadPoolExecutor(len(prompts)) as pool:
            futures = [pool.submit(self._ask, prompt) for prompt in prompts]
        answers = [future.result() for future in futures]
        for prompt, answer in zip(prompts, answers, strict=True):
            self._judge(prompt, answer, self._exam.warm_limit)
        slowest = max(answer.seconds for answer in answers)
        self._say(_("%(count)s at once, the slowest answer after %(seconds).1f s") % _numbers(len(answers), slowest))
        return slowest

    def _ask(self, prompt: Prompt) -> ProbeAnswer:
        provider = self._provider.within(self._exam.warm_limit, self._stop)
        return provider.probe(self._ref, self._question(prompt, self._exam.warm_limit, self._exam.way))

    # Both

    def _question(self, prompt: Prompt, seconds: float, way: Way) -> Question:
        return Question(
            model=self._exam.model,
            text=prompt.text,
            max_tokens=prompt.max_tokens,
            execution_timeout=min(seconds, self._exam.warm_limit),
            time_to_live=seconds,
            way=way,
            payload=prompt.payload,
        )

    def _judge(self, prompt: Prompt, answer: ProbeAnswer, limit: float, what: str = "") -> None:
        """Raises NotProved unless the answer is what was expected, in time."""
        asked = prompt.text or _("the payload")
        self._say(f"> {asked[:SHOWN]}")
        if not answer.ok:
            raise NotProved(
                _("It was asked “%(asked)s” and failed: %(error)s") % {"asked": asked, "error": answer.error}
            )
        self._say(f"< {answer.text[:SHOWN]}  ({answer.seconds:.1f} s{', ' + what if what else ''})")
        if answer.seconds > limit:
            sentence = _("The answer took %(seconds).1f s; %(limit)s s are allowed.")
            raise NotProved(sentence % {"seconds": answer.seconds, "limit": f"{limit:g}"})
        if prompt.matches and not _matches(prompt.matches, answer.text):
            sentence = _(
                "It answered “%(answer)s” to “%(asked)s”, and that does not match %(pattern)s. "
                "Check model, revision and prompt."
            )
            words = {"answer": answer.text[:SHOWN], "asked": asked, "pattern": prompt.matches}
            raise NotProved(sentence % words)


def _numbers(count: int, seconds: float) -> dict[str, float]:
    return {"count": count, "seconds": seconds}


def _matches(pattern: str, text: str) -> bool:
    """A pattern that takes too long on this text counts as one that does not match."""
    try:
        return regex.search(pattern, text, regex.DOTALL, timeout=PATTERN_SECONDS) is not None
    except TimeoutError:
        return False
