"""What training needs besides drawing: comparison with a photograph, surfaces, and the update of Gaussians."""
