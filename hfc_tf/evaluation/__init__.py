"""Metrics, and the protocol that decides who is scored against whom."""
