"""Live checks of the seed's eight views (3.2.2): one a file, found by their kinds in registry.py. They only read."""
