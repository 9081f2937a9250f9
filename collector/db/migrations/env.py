"""Alembic's way in: the connection comes from `collector.db`, which holds the transaction around all of it."""

from alembic import context

from collector.db.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
