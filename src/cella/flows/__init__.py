"""What the service does, one verb a file. Only flows bring capabilities together."""
