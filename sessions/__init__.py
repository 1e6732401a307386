"""The store: sessions with their steps, branches, runs, notes and pictures, saved in one folder.

A SQLite database holds the rows; the pictures are PNG files beside it, named by their hash. Of the engine,
this package knows ``engine.core`` alone; it draws nothing and shows nothing.
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
