"""Import: what a dump of a Pillar server holds becomes this catalogue's own."""
