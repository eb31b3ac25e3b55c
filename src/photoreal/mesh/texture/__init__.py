"""From photographs to texture."""
