"""The faults, by number. A module of faults registers its own with the decorators below."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tests.faults.rig import Rig
from tests.faults.run import Result
from tests.faults.slot import Slot


class Turns(Random):
    """The randomness of one run. `turn` goes through its options run by run, so that many runs cover them evenly."""

    def __init__(self, seed: str, number: int, only: str = "") -> None:
        super().__init__(seed)
        self.number, self.only = number, only

    def turn[T](self, options: Sequence[T]) -> T:
        """This run's option, or the one that was asked for by name."""
        for option in options:
            if self.only and self.only == getattr(option, "__name__", str(option)):
                return option
        return options[self.number % len(options)]


One = Callable[[Slot, Turns], Result]
Crowd = Callable[[Rig, list[Slot], Turns], list[Result]]


@dataclass(frozen=True)
class Fault:
    """`one` breaks a single run, and many are broken side by side; `crowd` breaks what several runs share at once.

    `needs` says why it cannot be broken here ("" = it can). `reattach_limit`: seconds that the p95 may take.
    `width`: runs side by side at most.
    """

    name: str
    title: str
    one: One | None = None
    crowd: Crowd | None = None
    needs: Callable[[], str] = lambda: ""
    reattach_limit: float | None = None
    width: int = 8

    @property
    def order(self) -> tuple[int, str]:
        """F2 comes before F10."""
        digits = "".join(character for character in self.name if character.isdigit())
        return int(digits), self.name


FAULTS: dict[str, Fault] = {}


def one[T: One](name: str, title: str, **more: object) -> Callable[[T], T]:
    """Register a function that breaks one run."""

    def register(function: T) -> T:
        FAULTS[name] = Fault(name, title, one=function, **more)  # type: ignore[arg-type]
        return function

    return register


def crowd[T: Crowd](name: str, title: str, **more: object) -> Callable[[T], T]:
    """Register a function that breaks several runs at once."""

    def register(function: T) -> T:
        FAULTS[name] = Fault(name, title, crowd=function, **more)  # type: ignore[arg-type]
        return function

    return register
