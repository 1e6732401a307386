"""Runs jobs on the model: a worker thread and a fair queue."""
