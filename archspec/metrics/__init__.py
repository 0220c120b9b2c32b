"""How good answers are, in the measures of the published benchmarks; numpy and scipy alone."""
