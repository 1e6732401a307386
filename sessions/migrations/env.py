"""What Alembic runs to reach the database: the connection it was handed, nothing else."""

from __future__ import annotations

from alembic import context

from sessions.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # Our connections begin their transactions explicitly, so SQLite can undo table changes too.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
