"""Kinds of worlds, and the things that stand in them."""
