"""Sounds: their peaks as numbers, and a picture of them."""
