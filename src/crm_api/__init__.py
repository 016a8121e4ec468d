"""An async, API-first CRM: customers, timeline, segments, offers, outreach and analytics behind one typed API."""

__version__ = "0.1.0"
