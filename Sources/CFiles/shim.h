#pragma once
#include <spawn.h>
// The C library declares these only with _GNU_SOURCE, which Swift's import does not define.
int renameat2(int old_folder, const char *old_name, int new_folder, const char *new_name, unsigned int flags);
int pipe2(int ends[2], int flags);
int syncfs(int file);
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int first);
#include <sys/statfs.h>
#include <sys/xattr.h>
