"""Stories the service must be able to tell: over HTTP alone, with a real worker."""
