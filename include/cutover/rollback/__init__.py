"""Ways back, and the swap that makes the first of them possible."""
