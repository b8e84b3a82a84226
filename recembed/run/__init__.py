"""The run folder: what training made, on disk, atomic and checked."""
