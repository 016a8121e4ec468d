"""The hands of the service: clients of its API that read, compute or deliver, and report."""
