"""Verbs that run one stage of a reconstruction, and what follows from it."""
