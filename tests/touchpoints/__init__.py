"""Tests of the timeline, of products and of daily facts."""
