"""Durable background work: put, claimed under a lease, retried, finished. Knows no kind of work."""
