"""People who use the product while it is deployed: so many requests a second to the backend's AI route."""

import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

import httpx

QUESTION = {"message": "What is the capital of France?"}


class Visitors:
    """Asks at a steady rate, each request in a thread of its own, and keeps what came of it.

    `answered`: by the endpoint that answered. `failed`: an answer that is none. `away`: nobody listened, which is the
    backend's own restart.
    """

    def __init__(self, url: str, rate: float = 5.0) -> None:
        self._url, self._pause = url, 1 / rate
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.answered: Counter[str] = Counter()
        self.failed: list[str] = []
        self.away: list[float] = []
        self._asking: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._come)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        for asking in self._asking:
            asking.join()

    @property
    def downtime(self) -> float:
        """Seconds from the first to the last request that met nobody."""
        return max(self.away) - min(self.away) if self.away else 0.0

    def _come(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            asking = threading.Thread(target=self._ask)
            self._asking.append(asking)
            asking.start()
            due += self._pause

    def _ask(self) -> None:
        began = time.monotonic()
        try:
            answer = httpx.post(self._url, json=QUESTION, timeout=120, trust_env=False)
        except httpx.TransportError:
            with self._lock:
                self.away.append(began)
            return
        with self._lock:
            if answer.is_success and "Paris" in answer.json()["answer"]:
                self.answered[answer.json()["endpoint"]] += 1
            else:
                self.failed.append(f"{answer.status_code} {answer.text[:200]}")
