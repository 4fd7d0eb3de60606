"""The benchmark: ``make bench`` (``python -m bench``). Measures in one run, in turns, on one machine; asserts no times."""
