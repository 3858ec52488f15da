"""Looks into media files and renders previews of them. Knows paths, not stores."""
