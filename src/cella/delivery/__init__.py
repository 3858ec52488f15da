"""The bytes: where links lead."""
