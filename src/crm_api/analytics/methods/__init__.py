"""Estimators: one file a method, pure NumPy, SciPy and Polars; they read and write nothing and may run anywhere."""
