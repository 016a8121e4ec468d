"""The timeline: whatever happens between a customer and the business; products, order items, daily facts."""
