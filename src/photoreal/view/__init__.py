"""Looking at what was made: a report that is one HTML page, a film among the cameras, and a walk through the scene in
the browser (`view.viewer`, imported by itself because it brings a server)."""

from photoreal.view.film import read_poster, write_film
from photoreal.view.orbit import orbit_cameras
from photoreal.view.report import write_report

__all__ = ["orbit_cameras", "read_poster", "write_film", "write_report"]
