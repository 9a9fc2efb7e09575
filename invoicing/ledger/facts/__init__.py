"""The rows of a workspace as the pure rules want them. Reads only."""
