"""The memory: sessions, their steps, branches, runs and pictures, kept in one folder.

A SQLite database holds the rows, content-addressed PNG files lie beside it. This package knows
``engine.core.trajectory`` and nothing else of the engine; it paints nothing and shows nothing.
"""

from __future__ import annotations

from sessions.errors import (
    BundleError,
    Conflict,
    DamagedDatabase,
    DamagedImage,
    DiskFull,
    HomeInUse,
    InvalidInput,
    NewerDatabase,
    NotFound,
    NotWritable,
    StoreError,
    UploadError,
)
from sessions.home import default_home
from sessions.records import Branch, Note, Run, Session, Summary
from sessions.store import Store
from sessions.text import clean_text
from sessions.uploads import safe_picture

__all__ = [
    "Branch",
    "BundleError",
    "Conflict",
    "DamagedDatabase",
    "DamagedImage",
    "DiskFull",
    "HomeInUse",
    "InvalidInput",
    "NewerDatabase",
    "NotFound",
    "NotWritable",
    "Note",
    "Run",
    "Session",
    "Store",
    "StoreError",
    "Summary",
    "UploadError",
    "clean_text",
    "default_home",
    "safe_picture",
]
