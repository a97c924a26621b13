"""A run's report for people and for other machines: plain functions of report.json."""
