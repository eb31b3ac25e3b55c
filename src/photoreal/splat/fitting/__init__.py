"""From a capture to Gaussians: where they start, how they learn, and where more of them are put."""
