"""The first tables: sessions, steps, branches, runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_first"
down_revision = None
branch_labels = None
depends_on = None


def _of(table: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{table}.id", ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.Column("deleted_at", sa.Text),
        sqlite_strict=True,
    )
    op.create_index("sessions_of_owner", "sessions", ["owner", "updated_at"])
    op.create_table(
        "steps",
        sa.Column("session_id", sa.Text, _of("sessions"), primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("parent", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("image", sa.Text),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["session_id", "parent"], ["steps.session_id", "steps.id"]),
        sqlite_strict=True,
    )
    op.create_index("steps_in_order", "steps", ["session_id", "number"], unique=True)
    op.create_index("steps_by_image", "steps", ["image"])
    op.create_table(
        "branches",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, _of("sessions"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("tip", sa.Text, nullable=False),
        sa.Column("forked_from", sa.Text, sa.ForeignKey("branches.id", ondelete="SET NULL")),
        sa.Column("forked_at", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["session_id", "tip"], ["steps.session_id", "steps.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["session_id", "forked_at"], ["steps.session_id", "steps.id"]),
        sqlite_strict=True,
    )
    op.create_index("ix_branches_session_id", "branches", ["session_id"])
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, _of("sessions"), nullable=False),
        sa.Column("branch_id", sa.Text, _of("branches"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("next_action", sa.Text, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("ix_runs_session_id", "runs", ["session_id"])
    op.create_index("ix_runs_state", "runs", ["state"])


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; 'backups' holds the database from before")
