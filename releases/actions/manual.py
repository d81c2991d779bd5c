"""A person does the work and says how it went."""

from releases.actions.base import ManualAction


class Manual(ManualAction):
    """Nothing runs: the engine waits for `decide.confirm`."""

    kind = "manual"
