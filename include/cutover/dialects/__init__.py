"""The databases Cutover speaks to, one module each."""
