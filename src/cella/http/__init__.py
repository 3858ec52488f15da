"""What the HTTP entrances share."""
