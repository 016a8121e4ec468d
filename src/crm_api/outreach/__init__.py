"""Outreach: templates, campaigns, and the messages that reach customers."""
