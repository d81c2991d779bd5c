"""`python -m tests.host.image` builds the image ahead of the tests and prints where it is."""

from tests.host.image import tree

print(tree())
