"""The formulas of metrics: pure functions of arrays, NaN where a value that they need is not there."""
