// A library for LD_PRELOAD that counts and logs all file changes of a program below one directory, and injects a fault
// at the n-th one. It interposes libc functions, so it covers SQLite and Foundation as well as `Durable`.
//
// FAULT_ROOT     the directory; other files, sockets and pipes are not affected
// FAULT_PROGRAM  name of the program as in /proc/PID/comm; its child processes are not affected
// FAULT_TRACE    a log file with one line per operation: PID, number, name, errno or 0, path, and the new path of a
//                rename or the target of a link
// FAULT_AT       number of the operation to fail, from 1
// FAULT_HOW      EIO     fail this operation
//                ENOSPC  fail this and all later operations that need space, also in later processes: the disk is full
//                die     SIGKILL before this operation: it has not happened, all earlier ones have
//                torn    as die, but after the first half of a write
// FAULT_MARK     a file that is created when the fault occurs; if it exists, the fault does not occur again, except
//                for ENOSPC
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST_DESCRIPTORS = 65536 };
enum how { NOTHING, FAIL, FULL, DIE, TORN };
enum verdict { GO_ON, REFUSE, HALF };

static const char *root, *mark;
static size_t root_length;
static int trace = -1;
static enum how how;
static long at;
static atomic_long operations;
static atomic_bool is_full;
/// Files below the root that are open for writing, and directories that are open for fsync.
static atomic_bool is_ours[MOST_DESCRIPTORS];

#define REAL(name) \
    static typeof(&name) real; \
    if (!real) real = (typeof(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *program = getenv("FAULT_PROGRAM"), *number = getenv("FAULT_AT"), *word = getenv("FAULT_HOW");
    const char *path = getenv("FAULT_TRACE"), *folder = getenv("FAULT_ROOT");
    char comm[32] = "";
    int file = syscall(SYS_openat, AT_FDCWD, "/proc/self/comm", O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    long length = syscall(SYS_read, file, comm, sizeof comm - 1);
    syscall(SYS_close, file);
    if (length > 0) comm[strcspn(comm, "\n")] = 0;
    if (!folder || !program || strncmp(comm, program, 15)) return;
    root = folder;
    root_length = strlen(root);
    mark = getenv("FAULT_MARK");
    if (path) trace = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (!number || !word) return;
    at = atol(number);
    how = !strcmp(word, "EIO") ? FAIL : !strcmp(word, "ENOSPC") ? FULL : !strcmp(word, "die") ? DIE
        : !strcmp(word, "torn") ? TORN : NOTHING;
    if (mark && !syscall(SYS_faccessat, AT_FDCWD, mark, F_OK)) {
        if (how == FULL) is_full = true;
        else how = NOTHING;
    }
}

static bool is_below_root(const char *path) {
    return root && path && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/// Returns the full path for `path` relative to a directory descriptor.
static const char *from(int folder, const char *path, char buffer[PATH_MAX]) {
    if (!root || !path || *path == '/' || folder == AT_FDCWD) return path;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, buffer, PATH_MAX - 1);
    if (length < 0) return path;
    snprintf(buffer + length, PATH_MAX - length, "/%s", path);
    return buffer;
}

/// A change to a file.
struct operation {
    /// Counted from 1; 0 for an operation outside of the root.
    long number;
    enum verdict verdict;
    const char *second;
    char path[PATH_MAX];
};

static void leave_mark(void) {
    if (mark) syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/// Counts an operation whose path is known, and decides whether it fails.
static void start(struct operation *operation, bool takes_room, bool is_write) {
    operation->number = atomic_fetch_add(&operations, 1) + 1;
    if (how == FULL && operation->number == at) atomic_store(&is_full, true);
    if (atomic_load(&is_full) && takes_room) {
        leave_mark();
        operation->verdict = REFUSE;
        return;
    }
    if (operation->number != at || how == NOTHING || how == FULL) return;
    leave_mark();
    operation->verdict = how == FAIL ? REFUSE : HALF;
    if (how == FAIL || (how == TORN && is_write)) return;
    raise(SIGKILL);
    __builtin_trap();
}

static void start_at(struct operation *operation, const char *path, const char *second, bool takes_room) {
    operation->number = 0;
    operation->verdict = GO_ON;
    if (!is_below_root(path)) return;
    snprintf(operation->path, sizeof operation->path, "%s", path);
    operation->second = second;
    start(operation, takes_room, false);
}

static void start_with(struct operation *operation, int file, bool takes_room, bool is_write) {
    operation->number = 0;
    operation->verdict = GO_ON;
    if (!root || file < 0 || file >= MOST_DESCRIPTORS || !atomic_load(&is_ours[file])) return;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, operation->path, sizeof operation->path - 1);
    operation->path[length > 0 ? length : 0] = 0;
    // closedir() and fclose() close without this file's knowledge, and the descriptor may be a socket or a memfd since.
    if (operation->path[0] != '/' || !strncmp(operation->path, "/memfd:", 7)) {
        atomic_store(&is_ours[file], false);
        return;
    }
    operation->second = "";
    start(operation, takes_room, is_write);
}

static int refused(void) {
    errno = how == FULL ? ENOSPC : EIO;
    return -1;
}

/// Logs the result of an operation and returns it.
static long ended(const struct operation *operation, const char *name, long result) {
    if (trace < 0 || !operation->number) return result;
    int error = errno;
    char line[2 * PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%d\t%ld\t%s\t%d\t%s\t%s\n", getpid(), operation->number, name,
                          result < 0 ? error : 0, operation->path, operation->second);
    syscall(SYS_write, trace, line, length);
    errno = error;
    return result;
}

// Operations on names

static int opened(int file, const char *path) {
    if (file >= 0 && file < MOST_DESCRIPTORS) atomic_store(&is_ours[file], is_below_root(path));
    return file;
}

/// Whether the call creates a file. `O_CREAT` for an existing file is not a change.
static bool makes(const char *path, int flags) {
    if (!(flags & O_CREAT) || !is_below_root(path)) return false;
    return (flags & O_EXCL) || syscall(SYS_faccessat, AT_FDCWD, path, F_OK);
}

#define OPEN(name, parameters, arguments, place) \
    int name parameters { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        REAL(name); \
        char buffer[PATH_MAX]; \
        const char *whole = place; \
        if (!makes(whole, flags)) return opened(real arguments, whole); \
        struct operation operation; \
        start_at(&operation, whole, "", true); \
        return operation.verdict == REFUSE ? refused() : ended(&operation, "open", opened(real arguments, whole)); \
    }
#define HERE(path) ((void)buffer, path)
OPEN(open, (const char *path, int flags, ...), (path, flags, mode), HERE(path))
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), HERE(path))
OPEN(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode), from(folder, path, buffer))
OPEN(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode), from(folder, path, buffer))

int close(int file) {
    REAL(close);
    if (file >= 0 && file < MOST_DESCRIPTORS) atomic_store(&is_ours[file], false);
    return real(file);
}

#define RENAME(name, parameters, arguments, source, target) \
    int name parameters { \
        REAL(name); \
        char first[PATH_MAX], second[PATH_MAX]; \
        const char *old = source, *new = target; \
        struct operation operation; \
        start_at(&operation, old, new, true); \
        return operation.verdict == REFUSE ? refused() : ended(&operation, "rename", real arguments); \
    }
#define UNUSED (void)first, (void)second
RENAME(rename, (const char *a, const char *b), (a, b), (UNUSED, a), b)
RENAME(renameat, (int f, const char *a, int g, const char *b), (f, a, g, b), from(f, a, first), from(g, b, second))
RENAME(renameat2, (int f, const char *a, int g, const char *b, unsigned flags), (f, a, g, b, flags),
       from(f, a, first), from(g, b, second))

#define CHANGE(name, word, parameters, arguments, place, second, takes_room) \
    int name parameters { \
        REAL(name); \
        char buffer[PATH_MAX]; \
        struct operation operation; \
        start_at(&operation, place, second, takes_room); \
        return operation.verdict == REFUSE ? refused() : ended(&operation, word, real arguments); \
    }
/// Returns NULL for an existing directory, which is not a change, even on a full disk.
static const char *unmade(const char *path) {
    return is_below_root(path) && !syscall(SYS_faccessat, AT_FDCWD, path, F_OK) ? NULL : path;
}
CHANGE(mkdir, "mkdir", (const char *p, mode_t mode), (p, mode), HERE(unmade(p)), "", true)
CHANGE(mkdirat, "mkdir", (int f, const char *p, mode_t mode), (f, p, mode), unmade(from(f, p, buffer)), "", true)
CHANGE(symlink, "symlink", (const char *to, const char *p), (to, p), HERE(p), to, true)
CHANGE(symlinkat, "symlink", (const char *to, int f, const char *p), (to, f, p), from(f, p, buffer), to, true)
CHANGE(link, "link", (const char *to, const char *p), (to, p), HERE(p), to, true)
CHANGE(unlink, "unlink", (const char *p), (p), HERE(p), "", false)
CHANGE(unlinkat, "unlink", (int f, const char *p, int flags), (f, p, flags), from(f, p, buffer), "", false)
CHANGE(rmdir, "rmdir", (const char *p), (p), HERE(p), "", false)

// Operations on contents, and fsync

#define WRITE(name, parameters, arguments, half) \
    ssize_t name parameters { \
        REAL(name); \
        struct operation operation; \
        start_with(&operation, file, true, true); \
        switch (operation.verdict) { \
        case GO_ON: return ended(&operation, "write", real arguments); \
        case REFUSE: return refused(); \
        case HALF: (void)!real half; \
        } \
        raise(SIGKILL); \
        __builtin_trap(); \
    }
WRITE(write, (int file, const void *bytes, size_t n), (file, bytes, n), (file, bytes, n / 2))
WRITE(pwrite, (int file, const void *bytes, size_t n, off_t to), (file, bytes, n, to), (file, bytes, n / 2, to))
WRITE(pwrite64, (int file, const void *bytes, size_t n, off64_t to), (file, bytes, n, to), (file, bytes, n / 2, to))
WRITE(writev, (int file, const struct iovec *v, int n), (file, v, n), (file, v, n / 2))
WRITE(pwritev, (int file, const struct iovec *v, int n, off_t to), (file, v, n, to), (file, v, n / 2, to))

#define CHANGE_FILE(name, word, parameters, arguments, takes_room) \
    int name parameters { \
        REAL(name); \
        struct operation operation; \
        start_with(&operation, file, takes_room, false); \
        return operation.verdict == REFUSE ? refused() : ended(&operation, word, real arguments); \
    }
CHANGE_FILE(fsync, "fsync", (int file), (file), false)
CHANGE_FILE(fdatasync, "fsync", (int file), (file), false)
CHANGE_FILE(syncfs, "syncfs", (int file), (file), false)
CHANGE_FILE(ftruncate, "truncate", (int file, off_t n), (file, n), false)
CHANGE_FILE(ftruncate64, "truncate", (int file, off64_t n), (file, n), false)
