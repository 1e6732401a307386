"""The studio that people see: the page, its commands and routes, and the event log that its tabs follow.

It knows the engine and the sessions; only ``app.py`` knows it.
"""
