"""Checks that tick a box of the checklist, one kind a file; each looks at the real thing and keeps what it saw."""
