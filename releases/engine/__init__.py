"""The engine: the only writer of status.

Verbs for people: `prepare`, `consent`, `start`, `decide`, `looking`, `locks`. The driver (`driver`, `perform`) runs an
approved deployment; `reconcile` turns rows into messages. Each change is one guarded update inside one
transaction with its audit event.
"""
