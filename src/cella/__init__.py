"""Cella: a media-asset store."""
