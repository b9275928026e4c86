"""The benchmark: this engine and pgloader in turn, on the same private servers and the same tables."""
