"""What a database looks like, and how one becomes the other."""
