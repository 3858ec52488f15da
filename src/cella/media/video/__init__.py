"""Films: a poster, and what browsers play. `encode.py` reads like a table of contents."""
