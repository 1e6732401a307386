"""Runs: walks a protocol over a painter, step by step, within limits; failures in sentences; questions."""
