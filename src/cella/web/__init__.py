"""The page for people: built from `web/`, served as it was built."""
