"""From depth maps to clean triangles."""
