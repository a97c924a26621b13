"""Notices of what broke and what is right again, for sites that have no Alertmanager."""
