"""How fast the target answers, beside the source: queries, plans, indexes, storage, connections."""
