"""The room people see: the Gradio shell, the timeline, its live log, routes and commands.

Knows the engine and the sessions; nobody knows it but ``app.py``.
"""
