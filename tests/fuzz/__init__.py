"""``make fuzz``: bytes that nobody thought of, guided by the branches that they reach (Atheris)."""
