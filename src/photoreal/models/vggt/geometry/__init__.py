"""What is done with cameras and depth after a network has said them, whichever it was: lenses that are known are
honoured, and windows of photos are joined to one world."""
