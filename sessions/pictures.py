"""Pictures, read only by the owner of a session that uses them; sessions as PNG files, out and in."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from sqlalchemy import exists, select
from sqlalchemy.orm import Session as Sql

from engine.core.trajectory import last_image
from sessions import bundle
from sessions.errors import InvalidInput
from sessions.images import as_plain_png
from sessions.records import Session
from sessions.rows import find_session, insert_session, insert_trajectory, not_found, trajectory_to
from sessions.schema import StepRow
from sessions.store_base import StoreBase


class Pictures(StoreBase):
    """Pictures, and sessions as PNG files: ``store.pictures``."""

    def put(self, picture: Image.Image | bytes) -> str:
        """Saves a picture and gives its digest, the SHA-256 of its PNG bytes.

        Bytes must be a plain PNG as the store writes them; give a person's file through
        :func:`~sessions.uploads.safe_picture`. The same picture is saved once. It takes no owner
        because it tells nothing: only a step of a session makes a picture readable.
        """
        data = as_plain_png(picture)
        with self._db.turn:
            digest = self._images.put(data)
            self._fresh.add(digest)
        return digest

    def path(self, owner: str, sid: str, digest: str) -> Path:
        """The file of a picture that a step of this session refers to."""
        with self._db.reading() as sql:
            self._check(sql, owner, sid, digest)
        return self._images.existing(digest)

    def load(self, owner: str, sid: str, digest: str) -> Image.Image:
        """The picture as RGB. Raises :class:`DamagedImage` when its file is gone or was changed."""
        with self._db.reading() as sql:
            self._check(sql, owner, sid, digest)
        return self._images.load(digest)

    def export_png(self, owner: str, sid: str, step_id: str) -> bytes:
        """The newest picture up to that step as a PNG that carries the whole trajectory."""
        with self._db.reading() as sql:
            session = find_session(sql, owner, sid)
            trajectory = trajectory_to(sql, sid, step_id)
            title, settings, seed = session.title, session.settings, session.seed
        if last_image(trajectory) is None:
            raise InvalidInput("There is no picture up to this step yet. Draw one, then download it.")
        digests = {step.image for step in trajectory if step.image}
        pictures = {digest: self._images.read(digest) for digest in digests}
        return bundle.write_png(bundle.Bundle(title, settings, seed, tuple(trajectory), pictures))

    def import_png(self, owner: str, data: bytes) -> Session:
        """A new session from an exported PNG. Raises :class:`BundleError` before anything is saved."""
        found = bundle.read_png(data)
        for picture in found.pictures.values():
            self.put(picture)
        with self._db.transaction() as sql:
            row = insert_session(sql, owner, found.title, found.settings, found.seed)
            insert_trajectory(sql, self._images, row.id, found.steps)
            record = row.record()
        self._fresh.difference_update(found.pictures)
        return record

    def _check(self, sql: Sql, owner: str, sid: str, digest: str) -> None:
        find_session(sql, owner, sid)
        mine = exists().where(StepRow.session_id == sid, StepRow.image == digest)
        if not (digest.isalnum() and digest.isascii() and sql.scalar(select(mine))):
            raise not_found("picture")
