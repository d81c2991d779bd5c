"""The public page: what anybody may read of a project, kept in files so that it outlives the database.

`facts` gathers from rows, `snapshot` is their form, `shelf` keeps them, `current` says what to show now, and the rest
turns a snapshot into pages, feeds, a calendar, a badge. Nothing after `facts` asks the database.
"""
