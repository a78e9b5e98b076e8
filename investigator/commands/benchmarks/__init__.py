"""Benchmarks: each alternates with the thing it is compared with, reports figures and judges nothing."""
