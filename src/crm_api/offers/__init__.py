"""Offers, and the decision which of them a customer gets, with reasons."""
