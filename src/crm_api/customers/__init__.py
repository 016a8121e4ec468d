"""Customers: people and organizations, how they are reached, by which names other systems know them, custom fields."""
