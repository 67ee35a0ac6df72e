#pragma once

/// Confines the calling process, which must have one thread, for the rest of its life: it can open files below
/// /usr, /lib, /lib64, /etc and /proc/self for reading only, cannot use the network, cannot signal or inspect other
/// processes, and cannot gain privileges. Descriptors that are open stay usable. Children inherit all of it.
///
/// Where the kernel has no Landlock, files elsewhere stay readable.
/// Returns 0, or the errno of what failed.
int kb_sandbox_enter(void);
