"""What is known of a migration before it begins, and how risky it is held to be."""
