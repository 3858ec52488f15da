"""Images: probe, render, and the pipeline between."""
