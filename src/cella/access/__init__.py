"""Judges who may do what. Handed everything, looks nothing up."""
