"""Labels written by rule: what a latent fires on, in the wording of feature descriptions, or nothing."""
