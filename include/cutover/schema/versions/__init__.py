"""Versions of the target's schema: changes upon what comes from the source, as Alembic revisions."""
