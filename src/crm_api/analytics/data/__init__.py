"""Tables of the world that estimators look things up in; each file says in a notice where it comes from."""
