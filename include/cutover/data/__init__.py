"""How rows travel from source to target."""
