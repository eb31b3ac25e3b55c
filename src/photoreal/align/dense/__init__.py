"""Depth of photos with known cameras, found by comparing them: PatchMatch stereo on a processor, what of it several
photos confirm, and points."""
