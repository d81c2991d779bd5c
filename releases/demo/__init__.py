"""The demo project: its people, its host, its releases. Nothing of its history is invented."""
