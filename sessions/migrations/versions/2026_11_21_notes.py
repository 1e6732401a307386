"""Notes beside steps: questions about a picture and their answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2026_11_21_notes"
down_revision = "2026_11_21_first"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, sa.ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
        sa.Column("step_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("next_action", sa.Text, nullable=False),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id", "step_id"], ["steps.session_id", "steps.id"], ondelete="CASCADE"
        ),
        sqlite_strict=True,
    )
    op.create_index("notes_in_order", "notes", ["session_id", "number"], unique=True)


def downgrade() -> None:
    raise NotImplementedError("migrations only go forward; 'backups' holds the database from before")
