"""Assignments of deep-learning courses, run again with fastdl: ``python -m experiments``."""
