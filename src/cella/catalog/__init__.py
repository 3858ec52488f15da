"""The catalogue: documents about files, projects and people, in SQLite or PostgreSQL."""
