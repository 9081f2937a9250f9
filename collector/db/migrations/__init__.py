"""The migrations, run by Alembic within the transaction of whoever opens the store. Begin with `upgrade`."""
