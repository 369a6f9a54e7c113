"""Feedback on answers, what the watch counts, and an index that finds the records of answers by their time"""

import sqlalchemy as sa
from alembic import op

from rag.db.migrations.row_level_security import disable, enable

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_OF_ANSWERS = sa.text("kind IN ('question', 'answer')")


def upgrade() -> None:
    op.create_table(
        "answer_feedback",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("answer", sa.String(length=64), nullable=False),
        sa.Column("record", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.String(length=160), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("expected", sa.JSON(), nullable=True),
        sa.Column("given_at", sa.DateTime(), nullable=False),
        sa.Column("reviewed_by", sa.String(length=160), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "answer", name=op.f("pk_answer_feedback")),
    )
    op.create_table(
        "watch_window",
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("series", sa.String(length=16), nullable=False),
        sa.Column("seconds", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.Column("space", sa.String(length=128), nullable=False),
        sa.Column("shares", sa.JSON(), nullable=False),
        sa.Column("alarms", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "series", "seconds", "until", name=op.f("pk_watch_window")),
    )
    enable("answer_feedback", "watch_window")
    op.create_index(
        "ix_audit_record_answers",
        "audit_record",
        ["tenant", "at"],
        sqlite_where=_OF_ANSWERS,
        postgresql_where=_OF_ANSWERS,
    )


def downgrade() -> None:
    op.drop_index("ix_audit_record_answers", table_name="audit_record")
    disable("answer_feedback", "watch_window")
    op.drop_table("watch_window")
    op.drop_table("answer_feedback")
