"""The command line: one verb per file, each a frozen dataclass of options and a `run` that carries it out."""
