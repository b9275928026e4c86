"""Database migrations that prove what they did."""
