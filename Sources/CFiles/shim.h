#pragma once
// <stdio.h> declares it only with _GNU_SOURCE, which Swift's import of the C library does not define.
int renameat2(int old_folder, const char *old_name, int new_folder, const char *new_name, unsigned int flags);
#include <sys/statfs.h>
