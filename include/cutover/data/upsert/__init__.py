"""Rows that a live table holds already, carried over into the table that takes its place."""
