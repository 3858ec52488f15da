"""Encoders elsewhere: how Zencoder is asked, and what it says."""
