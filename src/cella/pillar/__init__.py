"""Reads what `mongodump` wrote of a Pillar server, and understands its documents.

A dump is a stranger's: files may be cut off, documents may hold anything. Reading streams, and what
a document says is judged value by value. Nothing here knows the catalogue.
"""
