"""Lets `python -m crm_api.cli` do what `crm` does."""

from . import main

main()
