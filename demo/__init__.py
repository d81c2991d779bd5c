"""The demo: a host that is real to everything that uses it, but plays the part of a server (it is simulated)."""
