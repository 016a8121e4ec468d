"""Runs, scores and reports; the model files are pure Polars and may be imported by workers."""
