"""How often an address may still be asked.

A check begins anew after a broken connection and in another worker. What only reads may be asked from the first try on
again; a POST may not be sent more often than its step says, so each is counted in the attempt's row before it is sent.
"""

from typing import Any

from django.db import transaction

from releases.actions.base import StepContext
from releases.models import Attempt


class Tries:
    """The requests of one attempt, address after address. `answers` has one entry for each address that was right."""

    def __init__(self, context: StepContext) -> None:
        self._row = Attempt.objects.filter(pk=context.attempt.pk)
        self._most = int(context.parameters["attempts"])
        self._is_kept = context.parameters.get("method", "GET") != "GET"
        self._number = 0
        kept = self._row.values_list("evidence", flat=True).get() if self._is_kept else {}
        self.answers: list[dict[str, Any]] = kept.get("answers", [])

    def take(self) -> int:
        """The number, from 1, of the request that may be sent now; 0 when there is none left for this address."""
        if self._is_kept:
            return self._take_kept()
        self._number += 1
        return self._number if self._number <= self._most else 0

    def answered(self, answer: dict[str, Any]) -> None:
        """This address was right; the next one has all its tries before it."""
        self.answers.append(answer)
        self._number = 0
        if self._is_kept:
            with transaction.atomic():
                self._row.update(evidence={**self._locked(), "answers": self.answers})

    def _take_kept(self) -> int:
        address = len(self.answers)
        with transaction.atomic():
            evidence = self._locked()
            sent = list(evidence.get("sent", []))
            sent += [0] * (address + 1 - len(sent))
            if sent[address] >= self._most:
                return 0
            sent[address] += 1
            self._row.update(evidence={**evidence, "sent": sent})
        return int(sent[address])

    def _locked(self) -> dict[str, Any]:
        """What is kept so far; a worker that took over counts in the same row."""
        kept: dict[str, Any] = self._row.select_for_update(no_key=True).values_list("evidence", flat=True).get()
        return kept
