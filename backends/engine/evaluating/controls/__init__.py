"""`evaluate controls`: whether verdicts, p-values and gaps mean what they say, measured on test documents."""
