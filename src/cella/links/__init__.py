"""Signs, spells and expires links. Looks nothing up."""
