"""The verbs, one module each: `lane(engine, verb)`, `resolve(engine, verb)` and `run(engine, verb)`."""
