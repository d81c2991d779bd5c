"""The pages, a file per family. A view says who may use it, calls one verb, answers."""
