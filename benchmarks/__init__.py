"""Measurements of Cella against its peers, as ratios within one run. `make bench` runs them."""
