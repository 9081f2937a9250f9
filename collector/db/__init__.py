"""The store: tables, SQLite and PostgreSQL behind one face, batches of writes, the outbox of jobs, backup, migrations.

Nothing in here knows what a survey or a person is; no other package opens a connection by itself. Begin with `schema`
for the tables and `store` for what every store can do.
"""
