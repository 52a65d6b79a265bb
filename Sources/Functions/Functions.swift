// Module Functions.
