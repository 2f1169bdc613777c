"""Alembic's entry: runs the migrations on the connection it is handed."""

from alembic import context

from db import tables

context.configure(connection=context.config.attributes["connection"], target_metadata=tables.SQLModel.metadata)
with context.begin_transaction():
    context.run_migrations()
