"""Figures that say how good a workbench is, measured on held-out test documents."""
