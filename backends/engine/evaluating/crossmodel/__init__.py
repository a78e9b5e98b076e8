"""`evaluate crossmodel` and `evaluate bridge`: what a map between two models is worth to the readers of the second."""
