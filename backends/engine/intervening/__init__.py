"""Interventions: the residual stream changed at a place, and what follows."""
