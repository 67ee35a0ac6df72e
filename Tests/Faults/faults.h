/// Nothing to call: see faults.c.
