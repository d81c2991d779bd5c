"""What a step can do, one kind a file; `registry.find(kind)` gives the class."""
