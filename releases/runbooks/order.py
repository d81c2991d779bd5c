"""Which step may run when: `after` names the steps that must have ended."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol


class Ordered(Protocol):
    """Anything with a key and the keys it waits for: StepSpec and PlannedStep."""

    @property
    def key(self) -> str: ...
    @property
    def after(self) -> tuple[str, ...]: ...


def find_cycle(after: Mapping[str, Iterable[str]]) -> list[str]:
    """The keys of one circle, each waiting for the next one in the list; empty if there is none."""
    finished: set[str] = set()
    for start in after:
        trail: list[str] = []
        stack = [(start, iter(after[start]))] if start not in finished else []
        trail = [start] if stack else []
        while stack:
            key, waits = stack[-1]
            following = next((name for name in waits if name in after and name not in finished), None)
            if following is None:
                finished.add(key)
                stack.pop()
                trail.pop()
            elif following in trail:
                return trail[trail.index(following) :]
            else:
                stack.append((following, iter(after[following])))
                trail.append(following)
    return []


def ready[T: Ordered](steps: Sequence[T], done: Collection[str]) -> list[T]:
    """The steps that have not ended and wait for nothing more. `done` holds keys, skipped ones included."""
    return [step for step in steps if step.key not in done and all(key in done for key in step.after)]


def waves[T: Ordered](steps: Sequence[T]) -> list[list[T]]:
    """The steps in the groups in which they may run side by side. Raises ValueError on a circle."""
    done: set[str] = set()
    groups = []
    while len(done) < len(steps):
        group = ready(steps, done)
        if not group:
            raise ValueError("the steps wait for each other")
        groups.append(group)
        done.update(step.key for step in group)
    return groups
