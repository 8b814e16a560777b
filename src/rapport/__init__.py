"""Rapport: features of customer events, served to chatbots as decisions, in real time."""
