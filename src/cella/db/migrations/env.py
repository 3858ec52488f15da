"""Alembic's entrance: runs the wanted migrations on the connection that it is handed."""

from alembic import context

from cella.db.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
