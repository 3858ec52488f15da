"""The /api routes."""
