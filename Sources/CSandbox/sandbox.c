#define _GNU_SOURCE
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define KB_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define KB_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "add the AUDIT_ARCH_ constant of this architecture"
#endif

// The first version of Landlock's interface, which every kernel with Landlock has.
#define KB_ALL_FILE_ACCESS ((1ULL << 13) - 1)
#define KB_READ_ACCESS \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static int restrict_files(void) {
    struct landlock_ruleset_attr all = {.handled_access_fs = KB_ALL_FILE_ACCESS};
    int rules = syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    // The kernel was built or booted without it. Anything else, such as a filter of system calls, is an error.
    if (rules < 0) return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : errno;
    static const char *const readable[] = {"/usr", "/lib", "/lib64", "/etc", "/proc/self"};
    for (size_t i = 0; i < sizeof readable / sizeof *readable; i++) {
        struct landlock_path_beneath_attr rule = {.allowed_access = KB_READ_ACCESS};
        rule.parent_fd = open(readable[i], O_PATH | O_CLOEXEC);
        if (rule.parent_fd < 0) continue;
        int result = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
        int cause = errno;
        close(rule.parent_fd);
        if (result != 0) {
            close(rules);
            return cause;
        }
    }
    int cause = syscall(SYS_landlock_restrict_self, rules, 0) == 0 ? 0 : errno;
    close(rules);
    return cause;
}

#define KB_LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define KB_RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define KB_ALLOW(number)                               \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), \
        KB_RETURN(SECCOMP_RET_ALLOW)
// Allows a call only if its first argument, a process, has this value.
#define KB_ALLOW_PROCESS(number, process)                                          \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4), KB_LOAD(args[0]),            \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, process, 0, 1), KB_RETURN(SECCOMP_RET_ALLOW), \
        KB_RETURN(SECCOMP_RET_ERRNO | EPERM)
// Allows an open call if the flags in its argument `index` are for reading. The low word comes first: both
// architectures are little-endian.
#define KB_ALLOW_READING(number, index)                                                                         \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4), KB_LOAD(args[index]),                                    \
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY), \
                 0, 1),                                                                                         \
        KB_RETURN(SECCOMP_RET_ERRNO | EPERM), KB_RETURN(SECCOMP_RET_ALLOW)

// Duplicates descriptors and changes their flags. With F_SETOWN and F_SETSIG, the kernel would send any signal to any process
// of this user.
#define KB_ALLOW_FCNTL                                                                                        \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 5), KB_LOAD(args[1]),                                    \
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, F_SETFL, 0, 1),                                                    \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_DUPFD_CLOEXEC, 0, 1), KB_RETURN(SECCOMP_RET_ALLOW),              \
        KB_RETURN(SECCOMP_RET_ERRNO | EPERM)
// Children of this process only, in its namespaces.
#define KB_ALLOW_CLONE                                                                                        \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4), KB_LOAD(args[0]),                                    \
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K,                                                                   \
                 CLONE_PARENT | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |  \
                     CLONE_NEWPID | CLONE_NEWNET, 0, 1),                                                       \
        KB_RETURN(SECCOMP_RET_ERRNO | EPERM), KB_RETURN(SECCOMP_RET_ALLOW)

static int restrict_calls(void) {
    const struct sock_filter program[] = {
        KB_LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KB_ARCHITECTURE, 1, 0),
        KB_RETURN(SECCOMP_RET_KILL_PROCESS),
        KB_LOAD(nr),
        KB_ALLOW(SYS_read),
        KB_ALLOW(SYS_write),
        KB_ALLOW(SYS_pread64),
        KB_ALLOW(SYS_pwrite64),
        KB_ALLOW(SYS_readv),
        KB_ALLOW(SYS_writev),
        KB_ALLOW(SYS_lseek),
        KB_ALLOW(SYS_close),
        KB_ALLOW(SYS_ftruncate),
        KB_ALLOW(SYS_fstat),
        KB_ALLOW(SYS_newfstatat),
        KB_ALLOW(SYS_statx),
        KB_ALLOW(SYS_statfs),
        KB_ALLOW(SYS_fstatfs),
        KB_ALLOW(SYS_faccessat),
#ifdef SYS_faccessat2
        KB_ALLOW(SYS_faccessat2),
#endif
        KB_ALLOW(SYS_readlinkat),
        KB_ALLOW(SYS_getdents64),
        KB_ALLOW(SYS_getcwd),
        KB_ALLOW(SYS_fadvise64),
        KB_ALLOW_FCNTL,
        KB_ALLOW(SYS_dup),
        KB_ALLOW(SYS_dup3),
        KB_ALLOW(SYS_pipe2),
        KB_ALLOW(SYS_ppoll),
        KB_ALLOW(SYS_pselect6),
#ifdef __x86_64__
        KB_ALLOW(SYS_stat),
        KB_ALLOW(SYS_lstat),
        KB_ALLOW(SYS_access),
        KB_ALLOW(SYS_readlink),
        KB_ALLOW(SYS_dup2),
        KB_ALLOW(SYS_pipe),
        KB_ALLOW(SYS_poll),
        KB_ALLOW(SYS_select),
        KB_ALLOW(SYS_arch_prctl),
        KB_ALLOW(SYS_fork),
        KB_ALLOW(SYS_vfork),
        KB_ALLOW(SYS_getpgrp),
        KB_ALLOW_READING(SYS_open, 1),
#endif
        KB_ALLOW_READING(SYS_openat, 2),
        KB_ALLOW(SYS_mmap),
        KB_ALLOW(SYS_munmap),
        KB_ALLOW(SYS_mremap),
        KB_ALLOW(SYS_mprotect),
        KB_ALLOW(SYS_madvise),
        KB_ALLOW(SYS_brk),
        KB_ALLOW(SYS_membarrier),
        KB_ALLOW(SYS_futex),
        KB_ALLOW(SYS_sched_yield),
        KB_ALLOW(SYS_sched_getaffinity),
        KB_ALLOW(SYS_set_tid_address),
        KB_ALLOW(SYS_set_robust_list),
#ifdef SYS_rseq
        KB_ALLOW(SYS_rseq),
#endif
        KB_ALLOW(SYS_getrandom),
        KB_ALLOW(SYS_clock_gettime),
        KB_ALLOW(SYS_clock_getres),
        KB_ALLOW(SYS_clock_nanosleep),
        KB_ALLOW(SYS_nanosleep),
        KB_ALLOW(SYS_gettimeofday),
        KB_ALLOW(SYS_times),
        KB_ALLOW(SYS_getrusage),
        KB_ALLOW(SYS_getrlimit),
        KB_ALLOW_PROCESS(SYS_prlimit64, 0),
        KB_ALLOW(SYS_sysinfo),
        KB_ALLOW(SYS_uname),
        KB_ALLOW(SYS_getpid),
        KB_ALLOW(SYS_getppid),
        KB_ALLOW(SYS_gettid),
        KB_ALLOW(SYS_getuid),
        KB_ALLOW(SYS_geteuid),
        KB_ALLOW(SYS_getgid),
        KB_ALLOW(SYS_getegid),
        KB_ALLOW(SYS_rt_sigaction),
        KB_ALLOW(SYS_rt_sigprocmask),
        KB_ALLOW(SYS_rt_sigreturn),
        KB_ALLOW(SYS_sigaltstack),
        KB_ALLOW(SYS_restart_syscall),
        // `abort` signals its own thread.
        KB_ALLOW_PROCESS(SYS_tgkill, getpid()),
        KB_ALLOW_CLONE,
#ifdef SYS_clone3
        // Its flags are in memory, where a filter cannot see them. The C library then uses `clone`.
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1), KB_RETURN(SECCOMP_RET_ERRNO | ENOSYS),
#endif
        KB_ALLOW(SYS_execve),
        KB_ALLOW(SYS_wait4),
        KB_ALLOW(SYS_waitid),
        KB_ALLOW(SYS_exit),
        KB_ALLOW(SYS_exit_group),
        KB_RETURN(SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog filter = {.len = sizeof program / sizeof *program, .filter = (struct sock_filter *)program};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 ? 0 : errno;
}

int kb_sandbox_enter(void) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    int cause = restrict_files();
    return cause != 0 ? cause : restrict_calls();
}
