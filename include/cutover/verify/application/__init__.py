"""Whether the application will find on the target what it asks for: its queries, types, functions, endpoints."""
