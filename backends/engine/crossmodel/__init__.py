"""Two models and the linear maps between their residual streams (cross-model NLA)."""
