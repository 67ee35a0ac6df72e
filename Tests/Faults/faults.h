/// No API: see faults.c.
