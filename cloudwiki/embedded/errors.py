"""The one error of this package."""


class EmbeddedError(Exception):
    """A server cannot be run here. The text says what is wrong and what to do about it."""
