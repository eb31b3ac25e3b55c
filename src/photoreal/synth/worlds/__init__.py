"""Thousands of worlds that never were, rooms and streets and woods and things on tables, each seen by one camera with
its exact depth: what a network can learn depth from."""
