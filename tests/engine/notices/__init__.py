"""Announcements and what channels are told, on a real mail server and a real webhook receiver."""
