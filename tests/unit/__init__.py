"""Unit tests, in folders like the packages that they test."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
