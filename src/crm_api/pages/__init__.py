"""Pages for people: the docs with "try it", a page for every problem, the OpenAPI files."""
