"""Proof that what arrived is what was there."""
